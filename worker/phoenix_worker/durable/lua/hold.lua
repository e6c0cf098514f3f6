-- Take a place in a lock. ARGV: prefix, clock, id, run, what it read, resume queue, name, capacity, '1' to let nobody join
-- the run any more once it is held: it begins to look, and who asks from then on may ask for something that it no longer
-- sees. Answers: held, seconds that it was waited for ('' if that was told before) | parked | condemned, why | stale.
local id = ARGV[3]
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
return answer(take(id, ARGV[7], ARGV[8], ARGV[6], ARGV[9] == '1'))
