-- The value of an event, or a place among those who wait for it.
-- ARGV: prefix, clock, id, run, what it read, event, detail, what to watch ('' if somebody else resolves it), first look in
-- seconds. Answers: known, value | parked | condemned, why | stale.
local id, event, detail, watched = ARGV[3], ARGV[6], ARGV[7], ARGV[8]
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
local value = redis.call('GET', key('ev:', event))
if value then return answer('known', value) end
if watched ~= '' then
  redis.call('HSET', key('t:', id), 'watches', event)
  if redis.call('HEXISTS', key('watched'), event) == 0 then
    local watch = cjson.decode(watched)
    watch.since = stamp(now())
    redis.call('HSET', key('watched'), event, cjson.encode(watch))
  end
  if redis.call('ZADD', key('watch'), 'NX', stamp(now() + tonumber(ARGV[9])), event) == 1 then
    redis.call('PUBLISH', key('watch'), event)
  end
end
await(id, event, detail)
return answer('parked')
