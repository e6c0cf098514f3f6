-- Take a place in one of several locks, each with one place: in that which fewest hold or wait for. Once in line, a task
-- stays in it. ARGV: prefix, clock, id, run, what it read, resume queue, then pairs: the name of a lock, and how many are
-- counted to be in its line besides. Of equal lines it is the first. Answers as `hold`, with the name of the lock last.
local id = ARGV[3]
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
local name, least
for at = 7, #ARGV, 2 do
  local lock = lock_of(ARGV[at])
  if redis.call('ZSCORE', lock, id) then
    name = ARGV[at]
    break
  end
  local length = redis.call('ZCARD', lock) + tonumber(ARGV[at + 1])
  if not least or length < least then name, least = ARGV[at], length end
end
local verdict, waited = take(id, name, 1, ARGV[6], false)
return answer(verdict, waited, name)
