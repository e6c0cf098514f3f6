-- A run ended without a verdict. ARGV: prefix, clock, id, run, seconds until it is run again, and, unless it is Redis's own
-- trouble, how many runs without progress are enough, give-up text. Answers: queued | stale.
local id, t = ARGV[3], key('t:', ARGV[3])
if not current(id, ARGV[4]) then return answer('stale') end
leave(id)
set_parked(id, 'retry')
if ARGV[6] and redis.call('HINCRBY', t, 'idle', 1) >= tonumber(ARGV[6]) then redis.call('HSET', t, 'fail', ARGV[7]) end
redis.call('ZADD', key('due'), stamp(now() + tonumber(ARGV[5])), id)
return answer('queued')
