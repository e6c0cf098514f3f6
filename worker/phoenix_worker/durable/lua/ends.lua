-- How tasks, jobs and what they wait for end. It follows engine.lua in every script.

local LATELY = 15 -- seconds until it is sure to be seen what a job has done that reserved room for it
local ANSWER = 3600 -- seconds in which those who share a run are given its end; later they ask for it themselves

-- Whether a request is given the end of the run that it shares without running again: `tick` does so.
local function is_given(id)
  local t = redis.call('HMGET', key('t:', id), 'state', 'follows', 'plain')
  return t[1] == 'parked' and t[3] == '1' and redis.call('EXISTS', key('job:', t[2], ':answer')) == 1
end

local function resolve(event, value, resume)
  if not redis.call('SET', key('ev:', event), value, 'EX', KEEP, 'NX') then return end
  forget_watch(event)
  for _, id in ipairs(redis.call('SMEMBERS', waiters_of(event))) do
    attempt(id, function()
      if is_given(id) then redis.call('ZADD', key('due'), stamp(now()), id) else wake(id, resume) end
    end)
  end
  redis.call('DEL', key('ev:', event, ':w'))
end

-- The work of a job stops: whoever of it is parked is woken to hear so, whoever runs hears it at its next word.
local function cancel(job, why, resume)
  redis.call('HSETNX', key('job:', job), 'cancel', why)
  for _, member in ipairs(redis.call('SMEMBERS', key('job:', job, ':members'))) do
    attempt(member, function()
      if redis.call('HGET', key('t:', member), 'state') ~= 'parked' then return end
      step_out(member)
      wake(member, resume)
    end)
  end
end

-- A request that shared another one's run does so no more; a run that nobody wants any more stops.
local function unfollow(id, leader, resume)
  local followers = key('job:', leader, ':followers')
  if typed(followers, 'set') then redis.call('SREM', followers, id) end
  local detached = redis.call('HGET', key('job:', leader), 'detached')
  if detached and redis.call('EXISTS', followers) == 0 then cancel(leader, detached, resume) end
end

-- Take a task out of everything that it waits for or holds; what remains is a tombstone that answers duplicates. `job` is
-- whose it is where its record does not say so any more.
local function bury(id, resume, job)
  local t = key('t:', id)
  local r = redis.call('HMGET', t, 'by', 'follows', 'job')
  unpark(id)
  step_out(id)
  if r[1] then redis.call('SREM', key('runs:', r[1]), id) end
  depart(id)
  if r[2] then unfollow(id, r[2], resume) end
  for _, name in ipairs(held(id)) do release(id, name, resume) end
  redis.call('ZREM', key('due'), id)
  redis.call('ZREM', key('aside'), id)
  redis.call('DEL', key('j:', id))
  redis.call('SREM', key('job:', r[3] or job or id, ':members'), id)
  redis.call('HDEL', t, 'body', 'headers', 'reply', 'holds', 'by', 'nonce', 'landed', 'fail', 'pos', 'queue', 'on', 'since', 'begun', 'parked',
    'follows', 'flight', 'plain', 'waited', 'unwinds', 'watches', 'kept', 'unkept')
  redis.call('HSET', t, 'state', 'done')
  redis.call('EXPIRE', t, KEEP)
end

-- Bury one of many, whatever has become of its record: others wait for what it holds, and its message is a duplicate.
local function bury_anyhow(id, resume, job)
  local t = key('t:', id)
  if typed(t, 'hash') and redis.call('HEXISTS', t, 'job') == 1 and tried(bury, id, resume, job) then return end
  redis.call('DEL', t)
  release_all(id, resume)
  bury(id, resume, job)
end

-- The end of a task, where Celery's result backend puts it and tells of it.
local function store(place, text, seconds)
  redis.call('SET', place, text)
  if tonumber(seconds) > 0 then redis.call('EXPIRE', place, seconds) end
  redis.call('PUBLISH', place, text)
end

local PARKED_ON = {'parked:lock', 'parked:upid', 'parked:template', 'parked:job', 'parked:sleep', 'parked:retry',
  'parked:address'}

local function text(value) return type(value) == 'string' and value or '' end

-- What a job has reserved ends with it. Of one that did its work it is remembered for a moment more, until whoever chooses
-- next sees what was done.
local function unreserve(job, state)
  local names = redis.call('HGET', key('job:', job), 'reserved')
  if not names then return end
  typed(key('reservations'), 'hash')
  typed(key('reserved:lately'), 'zset')
  for name in string.gmatch(names, '%S+') do
    local reservation = redis.call('HGET', key('reservations'), name)
    redis.call('HDEL', key('reservations'), name)
    if reservation and state == 'done' then
      redis.call('ZREMRANGEBYSCORE', key('reserved:lately'), '-inf', stamp(now() - LATELY))
      redis.call('ZADD', key('reserved:lately'), stamp(now()), reservation)
      redis.call('EXPIRE', key('reserved:lately'), LATELY)
    end
  end
end

-- The end of a job. Returns how many seconds it took, and those of which its tasks were parked, in the order above.
local function close(job, state, value, resume)
  redis.call('ZREM', key('open'), job)
  unreserve(job, state)
  redis.call('HSET', key('job:', job), 'state', state, 'ended', stamp(now()))
  local parked = redis.call('HMGET', key('job:', job), unpack(PARKED_ON))
  local took = now() - (tonumber(redis.call('HGET', key('job:', job), 'created') or '') or now())
  for _, part in ipairs({'', ':log', ':steps'}) do redis.call('EXPIRE', key('job:', job, part), KEEP) end
  redis.call('DEL', key('job:', job, ':followers'))
  local read, told = pcall(cjson.decode, cjson.decode(value).value)
  if not read or type(told) ~= 'table' then told = {} end
  redis.call('HSET', key('job:', job), 'outcome', string.sub(text(told.outcome), 1, 64), 'cause', string.sub(text(told.cause), 1, 64))
  announce(job, state, text(told.outcome), text(told.cause), text(told.message))
  resolve('job/' .. job, value, resume)
  return stamp(took), parked
end

local function swap(text, old, new) return (string.gsub(text, string.gsub(old, '%W', '%%%0'), (string.gsub(new, '%%', '%%%%')))) end

-- End a request that shared a run: its answer is that of the run, word for word, under its own id; where the leader's is
-- meant, the text has the run. Returns its id, its
-- verdict, the name and subject of its task, the cause of a failure, and what `close` tells.
local function give(id, resume)
  local leader = redis.call('HGET', key('t:', id), 'follows')
  local a = redis.call('HMGET', key('job:', leader, ':answer'), 'verdict', 'value', 'by', 'place', 'text', 'seconds', 'run')
  -- An answer that an older worker has left has no run.
  local function own(text) return swap(swap(swap(text, leader, id), a[3], id), a[7] or leader, leader) end
  local verdict, value = a[1], own(a[2])
  local ok = verdict == 'ok'
  if not (ok or verdict == 'failed' or verdict == 'cancelled') then error('the run that it shares ended in no known way') end
  -- Results are stored under the id of their task, whatever the record says.
  if string.sub(own(a[4]), -#id) ~= id or string.sub(a[4], 1, #PREFIX) == PREFIX then error('its answer is not its own') end
  log(id, ok and 'done' or verdict, id, not ok and value or nil)
  bury(id, resume)
  store(own(a[4]), own(a[5]), a[6])
  local told = '{"ok":' .. tostring(ok) .. ',"value":' .. cjson.encode(value) .. '}'
  local took, parked = close(id, ok and 'done' or verdict, told, resume)
  local t = redis.call('HMGET', key('t:', id), 'name', 'subject')
  return {id, verdict, t[1], t[2], ok and '' or value, took, parked}
end
