-- What is reserved just now. ARGV: prefix, clock. What was written there for no open job says nothing, and is removed.
-- Answers: reserved, how many reservations were ever made, names and values of those there are, values of those whose jobs
-- ended a moment ago, the names of what is drained.
local function is_open(name)
  local found, job = pcall(redis.call, 'HGET', key('t:', string.match(name, '^[^/]*')), 'job')
  if not (found and job) then return false end
  local read, state = pcall(redis.call, 'HGET', key('job:', job), 'state')
  return read and state == 'open'
end

for name, kind in pairs({reservations = 'hash', ['reserved:lately'] = 'zset', drained = 'hash', reserved = 'string'}) do
  typed(key(name), kind)
end
local live = {}
for _, name in ipairs(redis.call('HKEYS', key('reservations'))) do
  if is_open(name) then
    live[#live + 1] = name
    live[#live + 1] = redis.call('HGET', key('reservations'), name)
  else
    redis.call('HDEL', key('reservations'), name)
  end
end
-- Of what ended after now, others have written when, or the clock was set since.
redis.call('ZREMRANGEBYSCORE', key('reserved:lately'), '(' .. stamp(now() + 1), '+inf')
local lately = redis.call('ZRANGEBYSCORE', key('reserved:lately'), stamp(now() - LATELY), '+inf')
return answer('reserved', redis.call('GET', key('reserved')) or '0', live, lately,
  redis.call('HKEYS', key('drained')))
