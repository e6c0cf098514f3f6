-- Take a place in a lock. ARGV: prefix, clock, id, run, resume queue, name, capacity. Answers: held | parked | condemned, why | stale.
local id, name = ARGV[3], ARGV[6]
local refused = refusal(id, ARGV[4])
if refused then return refused end
local lock = key('lock:', name)
redis.call('HSET', key('capacities'), name, ARGV[7])
if not redis.call('ZSCORE', lock, id) then
  redis.call('ZADD', lock, redis.call('HGET', key('t:', id), 'seq'), id)
end
grant(name, ARGV[5])
if redis.call('ZSCORE', lock, id) == '0' then return answer('held') end
park(id, 'lock:' .. name, name)
return answer('parked')
