-- The value of an event, or a place among those who wait for it.
-- ARGV: prefix, clock, id, run, event, detail, what to watch ('' if somebody else resolves it), first look in seconds.
local id, event, detail, watched = ARGV[3], ARGV[5], ARGV[6], ARGV[7]
local refused = refusal(id, ARGV[4])
if refused then return refused end
local value = redis.call('GET', key('ev:', event))
if value then return answer('known', value) end
redis.call('SADD', key('ev:', event, ':w'), id)
if watched ~= '' and redis.call('HEXISTS', key('watched'), event) == 0 then
  local watch = cjson.decode(watched)
  watch.since = stamp(now())
  redis.call('HSET', key('watched'), event, cjson.encode(watch))
  redis.call('ZADD', key('watch'), stamp(now() + tonumber(ARGV[8])), event)
  redis.call('PUBLISH', key('watch'), event)
end
park(id, 'ev:' .. event, detail)
return answer('parked')
