-- Give a lock back before the task ends. ARGV: prefix, clock, id, run, what it read, resume queue, name.
-- Answers: released | stale.
if not current(ARGV[3], ARGV[4]) then return answer('stale') end
remember(ARGV[3], ARGV[5])
release(ARGV[3], ARGV[7], ARGV[6])
return answer('released')
