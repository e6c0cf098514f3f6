-- A remote job that cannot be looked at: those who wait for it are set aside. ARGV: prefix, clock, event, why.
local event, why = ARGV[3], ARGV[4]
forget_watch(event)
redis.call('HDEL', key('watch:looks'), event)
for _, id in ipairs(redis.call('SMEMBERS', waiters_of(event))) do
  set_aside(id, why)
end
redis.call('DEL', key('ev:', event, ':w'))
return answer()
