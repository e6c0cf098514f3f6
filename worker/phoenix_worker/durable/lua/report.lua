-- A remote job that still runs, or has just ended, said something. Said twice, it is told once.
-- ARGV: prefix, clock, event, task that waits, what to watch from now on, what it said.
local event, id = ARGV[3], ARGV[4]
local told = redis.call('HGET', key('watched'), event)
if not told or told == ARGV[5] then return answer() end
redis.call('HSET', key('watched'), event, ARGV[5])
local job = redis.call('HGET', key('t:', id), 'job')
if job then log(job, 'output', id, ARGV[6]) end
return answer()
