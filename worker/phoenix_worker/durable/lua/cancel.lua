-- A requester does not want its job any more. ARGV: prefix, clock, resume queue, id of any task of it, why (JSON).
-- Answers: unknown | over | detached (others share the run, it goes on) | cancelled.
local resume, why = ARGV[3], ARGV[5]
local job = redis.call('HGET', key('t:', ARGV[4]), 'job')
if not job then return answer('unknown') end
if redis.call('HGET', key('job:', job), 'state') ~= 'open' then return answer('over', job) end
if redis.call('EXISTS', key('job:', job, ':followers')) == 1 then
  -- For its requester the history ends here, as a job's does.
  if redis.call('HSETNX', key('job:', job), 'detached', why) == 1 then log(job, 'cancelled', job, why) end
  return answer('detached', job)
end
local shares = redis.call('HEXISTS', key('t:', job), 'follows') == 1
cancel(job, why, resume)
return answer(shares and 'detached' or 'cancelled', job)
