-- A remote job that still runs, or has just ended, said something. Said twice, it is told once.
-- ARGV: prefix, clock, event, task that waits, what to watch from now on, what it said.
local event, id = ARGV[3], ARGV[4]
local told = redis.call('HGET', key('watched'), event)
local watch = ARGV[5]
if not told then return answer() end
-- A clock that was set during the look has moved since when it is watched.
local since, new = string.match(told, '"since": ?("[^"]*")'), string.match(watch, '"since": ?("[^"]*")')
if since and new and since ~= new then watch = swap(watch, new, since) end
if told == watch then return answer() end
redis.call('HSET', key('watched'), event, watch)
local job = redis.call('HGET', key('t:', id), 'job')
if job then log(job, 'output', id, ARGV[6]) end
return answer()
