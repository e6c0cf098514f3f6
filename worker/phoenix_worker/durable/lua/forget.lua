-- A step is to be done again. ARGV: prefix, clock, id, run, what it read, step. Answers: forgotten | stale.
if not current(ARGV[3], ARGV[4]) then return answer('stale') end
remember(ARGV[3], ARGV[5])
redis.call('HDEL', key('j:', ARGV[3]), ARGV[6], '?' .. ARGV[6])
return answer('forgotten')
