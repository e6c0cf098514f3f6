-- The parent is replaced and its first child recorded, together: there is no moment at which neither will be run.
-- ARGV: prefix, clock, id, run, child's id, child's generation, child's message. Answers: replaced | stale.
local id, t = ARGV[3], key('t:', ARGV[3])
if not current(id, ARGV[4]) then return answer('stale') end
local r = redis.call('HMGET', t, 'by', 'nonce')
leave(id)
redis.call('HSET', t, 'state', 'replaced', 'on', '')
local did, why = tried(record, ARGV[5], tonumber(ARGV[6]), cjson.decode(ARGV[7]))
if not did then -- Redis takes nothing back of what a script did: this run goes on, and fails
  redis.call('HSET', t, 'state', 'running', 'by', r[1], 'nonce', r[2])
  redis.call('SADD', key('runs:', r[1]), id)
  error(why, 0)
end
if ARGV[5] ~= id then
  redis.call('DEL', key('j:', id))
  redis.call('HDEL', t, 'kept', 'unkept')
end
return answer('replaced')
