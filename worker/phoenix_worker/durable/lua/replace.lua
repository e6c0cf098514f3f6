-- The parent is replaced and its first child recorded, together: there is no moment at which neither will be run.
-- ARGV: prefix, clock, id, run, child's id, child's generation, child's message. Answers: replaced | stale.
local id, t = ARGV[3], key('t:', ARGV[3])
if not current(id, ARGV[4]) then return answer('stale') end
leave(id)
redis.call('HSET', t, 'state', 'replaced', 'on', '')
redis.call('DEL', key('j:', id))
redis.call('HDEL', t, 'kept', 'unkept')
record(ARGV[5], tonumber(ARGV[6]), cjson.decode(ARGV[7]))
return answer('replaced')
