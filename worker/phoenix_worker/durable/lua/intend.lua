-- A side effect is about to be done. ARGV: prefix, clock, id, run, what it read, step.
-- Answers: fresh, whether an earlier intent may be forgotten | intended, since when | condemned, why | stale.
local id, step = ARGV[3], '?' .. ARGV[6]
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
local since = redis.call('HGET', key('j:', id), step)
if since then return answer('intended', since) end
keep(id, step, stamp(now()))
local forgotten = lost_journal(id) or redis.call('EXISTS', key('replaced')) == 1
return answer('fresh', forgotten and 1 or 0)
