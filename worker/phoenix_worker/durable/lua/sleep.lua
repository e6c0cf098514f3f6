-- Park until a time. ARGV: prefix, clock, id, run, what it read, which sleep of this run, seconds. Answers: over | parked | condemned, why | stale.
local id, step = ARGV[3], '~' .. ARGV[6]
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
if redis.call('HEXISTS', key('j:', id), step) == 0 then keep(id, step, stamp(now() + tonumber(ARGV[7]))) end
local till = tonumber(redis.call('HGET', key('j:', id), step))
if till <= now() then return answer('over') end
park(id, 'sleep')
redis.call('ZADD', key('due'), stamp(till), id)
return answer('parked')
