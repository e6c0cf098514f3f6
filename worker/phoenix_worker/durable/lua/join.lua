-- Share a run with a request for the same that has not begun to look, or lead one that others may share.
-- ARGV: prefix, clock, id, run, what is asked for. Answers: lead | follow, the leader | condemned, why | stale.
local id, flight = ARGV[3], ARGV[5]
local refused = refusal(id, ARGV[4])
if refused then return refused end
local t = key('t:', id)
local follows = redis.call('HGET', t, 'follows')
if follows then return answer('follow', follows) end
if redis.call('HEXISTS', t, 'flight') == 1 then return answer('lead') end
local leader = redis.call('GET', key('flight:', flight))
if leader and redis.call('HGET', key('job:', leader), 'state') == 'open' then
  redis.call('HSET', t, 'follows', leader)
  redis.call('SADD', key('job:', leader, ':followers'), id)
  return answer('follow', leader)
end
redis.call('SET', key('flight:', flight), id, 'EX', KEEP)
redis.call('HSET', t, 'flight', flight)
return answer('lead')
