-- Give a lock back before the task ends. ARGV: prefix, clock, id, run, resume queue, name. Answers: released | stale.
if not current(ARGV[3], ARGV[4]) then return answer('stale') end
release(ARGV[3], ARGV[6], ARGV[5])
return answer('released')
