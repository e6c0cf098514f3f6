-- Take a place in a lock. ARGV: prefix, clock, id, run, resume queue, name, capacity.
-- Answers: held, seconds that it was waited for ('' if that was told before) | parked | condemned, why | stale.
local id, name = ARGV[3], ARGV[6]
local refused = refusal(id, ARGV[4])
if refused then return refused end
local lock = key('lock:', name)
redis.call('HSET', key('capacities'), name, ARGV[7])
local joins = not redis.call('ZSCORE', lock, id)
if joins then redis.call('ZADD', lock, redis.call('HGET', key('t:', id), 'seq'), id) end
grant(name, ARGV[5])
if redis.call('ZSCORE', lock, id) == '0' then
  local waited = redis.call('HGET', key('t:', id), 'waited')
  if waited then redis.call('HDEL', key('t:', id), 'waited') end
  return answer('held', joins and '0' or waited or '')
end
park(id, 'lock:' .. name, name)
return answer('parked')
