-- A condemned task cleans up what it has half done: its words are heard again, so that it can wait without a slot.
-- ARGV: prefix, clock, id, run, what it read. Answers: unwinding | stale.
if not current(ARGV[3], ARGV[4]) then return answer('stale') end
remember(ARGV[3], ARGV[5])
redis.call('HSET', key('t:', ARGV[3]), 'unwinds', 1)
return answer('unwinding')
