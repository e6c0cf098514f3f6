-- A worker starts and has met a server. ARGV: prefix, clock, the id of that server's process, for how many seconds orders
-- are looked for when it is another one than workers have met before: it may have forgotten what it was told last.
typed(key('server'), 'string')
local before = redis.call('GET', key('server'))
if before ~= ARGV[3] then
  redis.call('SET', key('server'), ARGV[3])
  if before or redis.call('EXISTS', key('ticks')) == 1 then redis.call('SET', key('replaced'), ARGV[3], 'EX', ARGV[4]) end
end
return answer()
