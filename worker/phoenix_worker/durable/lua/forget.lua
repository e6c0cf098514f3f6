-- A step is to be done again. What it gave then is no progress (`!step`: how often it was forgotten).
-- ARGV: prefix, clock, id, run, what it read, step. Answers: forgotten | stale.
local journal, step = key('j:', ARGV[3]), ARGV[6]
if not current(ARGV[3], ARGV[4]) then return answer('stale') end
remember(ARGV[3], ARGV[5])
lost_journal(ARGV[3])
if redis.call('HDEL', journal, step) == 1 then
  redis.call('HSET', journal, '!' .. step, (tonumber(redis.call('HGET', journal, '!' .. step) or '') or 0) + 1)
end
redis.call('HDEL', journal, '?' .. step)
redis.call('HSET', key('t:', ARGV[3]), 'kept', redis.call('HLEN', journal))
return answer('forgotten')
