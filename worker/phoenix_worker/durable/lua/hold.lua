-- Take a place in a lock. ARGV: prefix, clock, id, run, what it read, resume queue, name, capacity, '1' to let nobody join
-- the run any more once it is held: it begins to look, and who asks from then on may ask for something that it no longer
-- sees. Answers: held, seconds that it was waited for ('' if that was told before) | parked | condemned, why | stale.
local id, name = ARGV[3], ARGV[7]
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
local lock = key('lock:', name)
typed(lock, 'zset')
redis.call('HSET', key('capacities'), name, ARGV[8])
local joins = not redis.call('ZSCORE', lock, id)
if joins then redis.call('ZADD', lock, redis.call('HGET', key('t:', id), 'seq'), id) end
grant(name, ARGV[6])
if redis.call('ZSCORE', lock, id) == '0' then
  if ARGV[9] == '1' then depart(id) end
  local waited = redis.call('HGET', key('t:', id), 'waited')
  if waited then redis.call('HDEL', key('t:', id), 'waited') end
  return answer('held', joins and '0' or waited or '')
end
park(id, 'lock:' .. name, name)
return answer('parked')
