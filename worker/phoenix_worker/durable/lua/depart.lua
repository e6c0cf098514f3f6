-- The run begins to look: who asks from now on may ask for something that it no longer sees.
-- ARGV: prefix, clock, id, run. Answers: departed | stale.
if not current(ARGV[3], ARGV[4]) then return answer('stale') end
depart(ARGV[3])
return answer('departed')
