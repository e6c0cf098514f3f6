-- What finds tasks follows their records. A key that was deleted, evicted or expired, or whose entry was, would leave those
-- for ever of whom it told: they are entered again, or looked at at once. On a ledger that lacks nothing, nothing is written.
-- ARGV: prefix, clock, resume queue, at which of the open jobs and of the locks to begin, how many of each, what a job ends
-- with of which a step is lost (JSON).
-- Answers: at which to begin the next time, of each.
local resume, jobs_from, locks_from, count = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local function look_at(id) redis.call('ZADD', key('due'), stamp(now()), id) end

local function add(set, id)
  if redis.call('SISMEMBER', set, id) == 0 then redis.call('SADD', set, id) end
end

local function is_found(id, on, watches)
  local kind, what = string.match(on, '^(%l+):(.*)$')
  if kind == 'lock' then return redis.call('ZSCORE', lock_of(what), id) end
  if kind ~= 'ev' or redis.call('SISMEMBER', waiters_of(what), id) == 0 then return false end
  if watches ~= what then return true end
  return redis.call('HEXISTS', key('watched'), what) == 1 and redis.call('ZSCORE', key('watch'), what)
end

local ENTER = {
  queued = function(id)
    if not redis.call('ZSCORE', key('due'), id) then redis.call('ZADD', key('due'), stamp(now() + GRACE), id) end
  end,
  parked = function(id, on, watches)
    if not redis.call('ZSCORE', key('due'), id) and not is_found(id, on, watches) then look_at(id) end
  end,
  running = function(id, _, _, by)
    if not by then return orphan(id, 'retry') end
    add(key('runs:', by), id)
    if not redis.call('ZSCORE', key('workers'), by) then redis.call('ZADD', key('workers'), stamp(now()), by) end
  end,
  aside = function(id)
    if not redis.call('ZSCORE', key('aside'), id) then set_aside(id, redis.call('HGET', key('t:', id), 'aside') or '') end
  end,
}

-- Returns whether something of the job is still to come of it.
local function enter(id)
  local r = redis.call('HMGET', key('t:', id), 'state', 'on', 'watches', 'by')
  if ENTER[r[1]] then ENTER[r[1]](id, r[2] or '', r[3], r[4]) end
  return ENTER[r[1]] ~= nil
end

-- Whether somebody is at work on a task whose record is gone: a worker that lives, or what it waits for, which is watched.
local function is_at_work(id)
  for _, worker in ipairs(redis.call('ZRANGE', key('workers'), 0, -1)) do
    if typed(key('runs:', worker), 'set') and redis.call('SISMEMBER', key('runs:', worker), id) == 1 then return true end
  end
  for _, event in ipairs(redis.call('HKEYS', key('watched'))) do
    if redis.call('SISMEMBER', key('ev:', event, ':w'), id) == 1 then return true end
  end
  return false
end

-- Nobody will go on with a job of which a step is lost: its request ends with a failure, once nothing of it is at work any more.
-- Those who wait for what others of its tasks hold are no part of that: they try for themselves, and look for orders first
-- that are not known, as after a loss of writes. Returns whether it ends so.
local CAREFUL = 300 -- seconds, as in `meet`
local function end_lost(job, members)
  local lost = {}
  for _, id in ipairs(members) do
    if redis.call('EXISTS', key('t:', id)) == 0 then lost[#lost + 1] = id end
  end
  if not lost[1] then return false end
  for _, id in ipairs(lost) do
    if is_at_work(id) then return true end
  end
  redis.call('SET', key('replaced'), job, 'EX', CAREFUL)
  unreserve(job, 'failed')
  for _, id in ipairs(members) do
    if id ~= job then bury_anyhow(id, resume, job) end
  end
  if redis.call('HGET', key('t:', job), 'state') ~= 'replaced' then return false end
  redis.call('HSET', key('t:', job), 'fail', ARGV[7])
  expect(job, resume)
  ring(job)
  return true
end

local function enter_all_of(job)
  mend_parts(job, job)
  local t = redis.call('HMGET', key('t:', job), 'state', 'job')
  if t[1] and t[1] ~= 'done' and t[2] == job then add(key('job:', job, ':members'), job) end
  local goes_on = redis.call('ZSCORE', key('aside'), job)
  local members = redis.call('SMEMBERS', key('job:', job, ':members'))
  for _, id in ipairs(members) do
    if attempt(id, function() return enter(id) end) then goes_on = true end
  end
  if not goes_on and not end_lost(job, members) then set_aside(job, 'the records of its tasks are gone') end
end

-- Whoever owns a lock has a record that says so, and a job that goes on.
local OVER = {done = true, failed = true, cancelled = true}
local function settle_owner(name, id)
  local r = redis.call('HMGET', key('t:', id), 'state', 'job', 'holds')
  if not r[1] or r[1] == 'done' then return step_off(name, id) end
  if OVER[redis.call('HGET', key('job:', r[2]), 'state') or ''] then return bury(id, resume) end
  if not string.find(' ' .. (r[3] or ''), ' ' .. name .. ' ', 1, true) then
    redis.call('HSET', key('t:', id), 'holds', (r[3] or '') .. name .. ' ')
  end
end

local function settle_lock(name)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', lock_of(name), 0, 0)) do
    attempt(id, function() settle_owner(name, id) end)
  end
  grant(name, resume)
end

-- What is reserved is named after the task that chose: it ends with that task's job.
local function settle_reservation(name)
  local id = string.match(name, '^[^/]*')
  local r = redis.call('HMGET', key('t:', id), 'state', 'job')
  local job = redis.call('HGET', key('job:', r[2] or id), 'state')
  if OVER[job or ''] or not job and (r[1] or 'done') == 'done' then redis.call('HDEL', key('reservations'), name) end
end

local function some(all, from, act)
  for i = from + 1, math.min(from + count, #all) do act(all[i]) end
  return from + count < #all and from + count or 0
end

if redis.call('EXISTS', key('open')) == 0 and redis.call('EXISTS', key('parked')) == 1 then find_open() end
local jobs = redis.call('ZRANGE', key('open'), jobs_from, jobs_from + count - 1)
if redis.call('EXISTS', key('open')) == 0 then redis.call('DEL', key('parked')) end -- whatever was counted: nobody is
for _, job in ipairs(jobs) do attempt(job, function() enter_all_of(job) end) end
local locks = redis.call('HKEYS', key('capacities'))
if typed(key('reservations'), 'hash') then
  for _, name in ipairs(redis.call('HKEYS', key('reservations'))) do
    attempt(name, function() settle_reservation(name) end)
  end
end
return answer(#jobs == count and jobs_from + count or 0, some(locks, locks_from, settle_lock))
