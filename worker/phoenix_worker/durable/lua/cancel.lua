-- A requester does not want its job any more. ARGV: prefix, clock, resume queue, id of any task of it, why (JSON).
-- Answers: unknown | over | detached (others share the run, it goes on) | cancelled | aside (a record that nobody can handle
-- was ended, and nobody else tells its requester).
local resume, why = ARGV[3], ARGV[5]
local job = redis.call('HGET', key('t:', ARGV[4]), 'job')
if not job then return answer('unknown') end
local state = redis.call('HGET', key('job:', job), 'state')
if redis.call('EXISTS', key('job:', job)) == 0 or state == 'done' or state == 'failed' or state == 'cancelled' then return answer('over', job) end
if state == 'open' and redis.call('EXISTS', key('job:', job, ':followers')) == 1 then
  -- For its requester the history ends here, as a job's does.
  if redis.call('HSETNX', key('job:', job), 'detached', why) == 1 then log(job, 'cancelled', job, why) end
  return answer('detached', job)
end
local aside = {}
for _, member in ipairs(redis.call('SMEMBERS', key('job:', job, ':members'))) do
  if redis.call('HGET', key('t:', member), 'state') == 'aside' then aside[#aside + 1] = member end
end
if aside[1] or state ~= 'open' then
  for _, member in ipairs(redis.call('SMEMBERS', key('job:', job, ':members'))) do
    if not pcall(bury, member, resume) then redis.call('DEL', key('t:', member)) end
  end
  log(job, 'cancelled', job, why)
  close(job, 'cancelled', cjson.encode({ok = false, value = why}), resume)
  return answer('aside', job)
end
local shares = redis.call('HEXISTS', key('t:', job), 'follows') == 1
cancel(job, why, resume)
return answer(shares and 'detached' or 'cancelled', job)
