-- A step is to be done anew. ARGV: prefix, clock, id, run, step. Answers: forgotten | stale.
if not current(ARGV[3], ARGV[4]) then return answer('stale') end
redis.call('HDEL', key('j:', ARGV[3]), ARGV[5], '?' .. ARGV[5])
return answer('forgotten')
