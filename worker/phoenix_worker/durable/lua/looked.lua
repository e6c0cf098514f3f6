-- How far a run is that looks at much, for whoever waits. ARGV: prefix, clock, id, run, how many of all.
-- Answers: noted | condemned, why (the job was cancelled) | stale.
if not current(ARGV[3], ARGV[4]) then return answer('stale') end
local job = key('job:', redis.call('HGET', key('t:', ARGV[3]), 'job'))
redis.call('HSET', job, 'looked', ARGV[5])
local why = redis.call('HGET', job, 'cancel')
if why then return answer('condemned', why) end
return answer('noted')
