-- The end of a task, of its locks and, for the last link or a failure, of its job.
-- ARGV: prefix, clock, id, run, resume queue, ok | failed | cancelled, value (JSON; for a failure, its cause), where its
-- result is stored ('' if nowhere), the result, seconds to keep it, the result for those who share the job's run (with
-- the run in the place of the job's id), '1' if the run has recorded its successor.
-- Answers: done, and if that was the end of the job: the seconds that it took, those of which it was parked by PARKED_ON, the
-- replaced tasks that ended with it, the name of the request, 1 if others are to be given its end, else 0, and the
-- requester | unlanded | stale.
local id, resume, verdict, value = ARGV[3], ARGV[5], ARGV[6], ARGV[7]

-- A member that was replaced while it holds a lock was having built what the lock protects: those who wait for that lock
-- wait for this very build, and hear now why it will not come. Requests that wait for another request try by themselves.
local function tell_waiters(member, job)
  for _, name in ipairs(held(member)) do
    for _, waiter in ipairs(redis.call('ZRANGEBYSCORE', lock_of(name), '(0', '+inf')) do
      attempt(waiter, function()
        if member == job and redis.call('HGET', key('t:', waiter), 'job') == waiter then return end
        redis.call('ZREM', key('lock:', name), waiter)
        redis.call('HSET', key('t:', waiter), 'fail', value)
        wake(waiter, resume)
      end)
    end
  end
end

if not current(id, ARGV[4]) then return answer('stale') end
-- Redis went back to before the successor was recorded: ended now, the link would have none.
if verdict == 'ok' and ARGV[12] == '1' and redis.call('HEXISTS', key('t:', id), 'landed') == 0 then return answer('unlanded') end
local replaced, took, parked = {}
local job = redis.call('HGET', key('t:', id), 'job')
if verdict ~= 'ok' then
  log(job, verdict, id, value)
elseif redis.call('HEXISTS', key('t:', id), 'landed') == 0 then
  log(job, 'step-done', id)
end
if verdict ~= 'ok' then
  -- Whatever has become of the list: the request has what the others need.
  if typed(key('t:', job), 'hash') and redis.call('HGET', key('t:', job), 'job') == job then
    redis.call('SADD', key('job:', job, ':members'), job)
  end
  for _, member in ipairs(redis.call('SMEMBERS', key('job:', job, ':members'))) do
    if member ~= id then
      if typed(key('t:', member), 'hash') and redis.call('HGET', key('t:', member), 'state') == 'replaced' then
        if verdict == 'failed' then tell_waiters(member, job) end
        replaced[#replaced + 1] = member
      end
      bury_anyhow(member, resume, job)
    end
  end
end
bury(id, resume)
if ARGV[8] ~= '' then store(ARGV[8], ARGV[9], ARGV[10]) end
local ends = verdict ~= 'ok' or id == job
local shared = ends and ARGV[8] ~= '' and redis.call('EXISTS', key('job:', job, ':followers')) == 1
if shared then
  local a = key('job:', job, ':answer')
  redis.call('HSET', a, 'verdict', verdict, 'value', value, 'by', id, 'run', ARGV[4], 'place', ARGV[8], 'text', ARGV[11],
    'seconds', ARGV[10])
  redis.call('EXPIRE', a, ANSWER)
end
if verdict ~= 'ok' then
  took, parked = close(job, verdict, cjson.encode({ok = false, value = value}), resume)
elseif id == job then
  log(job, 'done', id)
  took, parked = close(job, 'done', cjson.encode({ok = true, value = value}), resume)
end
if not took then return answer('done') end
local asked = redis.call('HMGET', key('job:', job), 'name', 'requester')
return answer('done', took, parked, replaced, asked[1] or '', shared and 1 or 0, asked[2] or '')
