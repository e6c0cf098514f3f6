-- A run met something transient: once more, later. ARGV: prefix, clock, id, run, '' (what it read is read again), seconds, why.
-- Answers: parked | stale.
local id, t = ARGV[3], key('t:', ARGV[3])
if not current(id, ARGV[4]) then return answer('stale') end
redis.call('HINCRBY', t, 'tries', 1)
-- What is in the future would take its patience for ever.
if (tonumber(redis.call('HGET', t, 'since') or '') or math.huge) > now() + 5 then redis.call('HSET', t, 'since', stamp(now())) end
leave(id)
set_parked(id, 'retry')
redis.call('ZADD', key('due'), stamp(now() + tonumber(ARGV[6])), id)
log(redis.call('HGET', t, 'job'), 'retrying', id, ARGV[7])
return answer('parked')
