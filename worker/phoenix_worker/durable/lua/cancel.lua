-- A requester does not want its job any more. ARGV: prefix, clock, resume queue, id of any task of it, why (JSON).
-- Answers: unknown | over | detached (others share the run, it goes on) | cancelled | aside (a record that nobody can handle
-- was ended, and nobody else tells its requester).
local resume, why = ARGV[3], ARGV[5]

local id = ARGV[4]

local function was_of_another_kind(name, kind)
  local found = redis.call('TYPE', name).ok
  return not typed(name, kind) and found ~= 'none'
end

-- What others wrote in the place of something of a job is removed. Returns whether what says how to cancel it was that.
local function is_spoiled(of)
  local record, job = was_of_another_kind(key('t:', of), 'hash'), was_of_another_kind(key('job:', of), 'hash')
  local members = was_of_another_kind(key('job:', of, ':members'), 'set')
  mend_parts(of, of)
  return members or record or job
end

-- Who shares the run of a job that nobody can handle has a run of its own.
local function go_alone(other, job)
  if redis.call('HGET', key('t:', other), 'follows') ~= job then return end
  redis.call('HDEL', key('t:', other), 'follows', 'plain')
  if redis.call('HGET', key('t:', other), 'state') ~= 'parked' then return end
  step_out(other)
  wake(other, resume)
end

if string.find(id, ':', 1, true) then return answer('unknown') end -- it would name a part of another job
local spoiled = is_spoiled(id)
local is_job = redis.call('HEXISTS', key('job:', id), 'state') == 1
local job = redis.call('HGET', key('t:', id), 'job')
if job and job ~= id and is_job and redis.call('TYPE', key('job:', job)).ok ~= 'hash' then
  job, spoiled = id, true -- others have written of which job it is
end
job = job or (spoiled or is_job) and id
local function nothing_to_end(verdict, of)
  redis.call('ZREM', key('aside'), id, of)
  return answer(verdict, of)
end
if not job then return nothing_to_end('unknown', '') end
if job ~= id then spoiled = is_spoiled(job) or spoiled end
local state = redis.call('HGET', key('job:', job), 'state')
if state == 'done' or state == 'failed' or state == 'cancelled' then return nothing_to_end('over', job) end
local left = redis.call('HGET', key('t:', job), 'state')
local has_work = spoiled or left and left ~= 'done'
if not has_work and redis.call('EXISTS', key('job:', job)) == 0 then return nothing_to_end('over', job) end
for _, one in ipairs({id, job}) do -- whatever has become of the list of its tasks
  local t = redis.call('HMGET', key('t:', one), 'state', 'job')
  if t[2] == job and t[1] ~= 'done' then redis.call('SADD', key('job:', job, ':members'), one) end
end
local aside, lost, lives = {}, false, false
for _, member in ipairs(redis.call('SMEMBERS', key('job:', job, ':members'))) do
  local read, told = pcall(redis.call, 'HGET', key('t:', member), 'state')
  if not read or told == 'aside' or not told and redis.call('EXISTS', key('t:', member)) == 1 then aside[#aside + 1] = member end
  lost = lost or read and not told
  lives = lives or read and told and told ~= 'replaced' and told ~= 'done'
end
local is_stuck = spoiled or aside[1] or lost and not lives or state ~= 'open'
if not is_stuck and redis.call('EXISTS', key('job:', job, ':followers')) == 1 then
  -- For its requester the history ends here, as a job's does.
  if redis.call('HSETNX', key('job:', job), 'detached', why) == 1 then log(job, 'cancelled', job, why) end
  return answer('detached', job)
end
if is_stuck then
  for _, other in ipairs(redis.call('SMEMBERS', key('job:', job, ':followers'))) do
    attempt(other, function() go_alone(other, job) end)
  end
  for _, member in ipairs(redis.call('SMEMBERS', key('job:', job, ':members'))) do bury_anyhow(member, resume, job) end
  if spoiled then
    redis.call('HSET', key('job:', job), 'cancel', why) -- for steps of it that nothing names any more
    for _, one in ipairs({id, job}) do bury_anyhow(one, resume, job) end
  end
  redis.call('DEL', key('job:', job, ':members'))
  log(job, 'cancelled', job, why)
  close(job, 'cancelled', cjson.encode({ok = false, value = why}), resume)
  return answer('aside', job)
end
local shares = redis.call('HEXISTS', key('t:', job), 'follows') == 1
cancel(job, why, resume)
return answer(shares and 'detached' or 'cancelled', job)
