-- Share a run with a request for the same that has not begun to look, or lead one that others may share.
-- ARGV: prefix, clock, id, run, what it read, what is asked for, '1' if nothing but a result is wanted of this request (no
-- callback, say), detail. Answers: lead | known, the end of the shared run | parked until then | condemned, why | stale.
local id, flight = ARGV[3], ARGV[6]
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
local t = key('t:', id)
local leader = redis.call('HGET', t, 'follows')
if leader == id then leader = nil end -- others wrote that: it would wait for itself
if not leader then
  if redis.call('HEXISTS', t, 'flight') == 1 then return answer('lead') end
  leader = typed(key('flight:', flight), 'string') and redis.call('GET', key('flight:', flight))
  local job = leader and redis.call('HMGET', key('job:', leader), 'state', 'cancel')
  if not job or job[1] ~= 'open' or job[2] or leader == id then
    redis.call('HDEL', t, 'follows')
    redis.call('SET', key('flight:', flight), id, 'EX', KEEP)
    redis.call('HSET', t, 'flight', flight)
    return answer('lead')
  end
  redis.call('HSET', t, 'follows', leader, 'plain', ARGV[7])
  typed(key('job:', leader, ':followers'), 'set')
  redis.call('SADD', key('job:', leader, ':followers'), id)
end
local value = redis.call('GET', key('ev:job/', leader))
if value then return answer('known', value) end
await(id, 'job/' .. leader, ARGV[8])
return answer('parked')
