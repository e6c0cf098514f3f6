-- How far a run is that looks at much, for whoever waits. ARGV: prefix, clock, id, run, how many of all.
-- Answers: noted | stale.
if not current(ARGV[3], ARGV[4]) then return answer('stale') end
redis.call('HSET', key('job:', redis.call('HGET', key('t:', ARGV[3]), 'job')), 'looked', ARGV[5])
return answer('noted')
