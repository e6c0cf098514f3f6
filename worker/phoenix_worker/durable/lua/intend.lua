-- A side effect is about to be done. ARGV: prefix, clock, id, run, what it read, step.
-- Answers: fresh, whether an earlier intent may be forgotten | intended, since when | condemned, why | stale.
local id, step = ARGV[3], '?' .. ARGV[6]
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
if redis.call('HSETNX', key('j:', id), step, stamp(now())) == 1 then return answer('fresh', redis.call('EXISTS', key('replaced'))) end
return answer('intended', redis.call('HGET', key('j:', id), step))
