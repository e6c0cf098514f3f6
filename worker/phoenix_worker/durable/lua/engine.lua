-- What the scripts of the engine have in common. It follows ledger.lua in every script.

-- Redis takes 4 KB for a new stream, however little is in it, and gives them back when it is loaded again. A user without
-- this command keeps them.
local function shrink(stream) redis.pcall('RESTORE', stream, 0, redis.call('DUMP', stream), 'REPLACE') end

-- Messages to be published once the script has returned: {id, queue, body, headers, reply}. `due` repeats them if nobody does.
local bells = {}

-- Whether a message is the one of which its record tells. Workers drop any other, each time that it is sent.
local function is_of_record(id, headers, name, gen)
  local read, h = pcall(cjson.decode, headers or '')
  if not read or type(h) ~= 'table' or not h.task then return true end -- who publishes it says what it lacks
  local function count(of) return tonumber(h[of] ~= cjson.null and h[of] or 0) end
  local is_its = h.task == name and (type(h.id) ~= 'string' or h.id == id)
  return is_its and tonumber(gen or '') == (count('retries') or 0) + (count('replaced_task_nesting') or 0)
end

-- Whoever may write a record may name any key in it: messages go to queues of ours alone.
local function ring(id)
  local t = redis.call('HMGET', key('t:', id), 'queue', 'body', 'headers', 'reply', 'name', 'gen')
  if not string.match(t[1] or '', '^phoenix%.%l+$') then error('its queue is not one of ours') end
  if not is_of_record(id, t[3], t[5], t[6]) then error('its message is not the one that its record names') end
  bells[#bells + 1] = {id, t[1], t[2], t[3], t[4]}
end

local function answer(...)
  local reply = {bells}
  for i = 1, select('#', ...) do reply[i + 1] = (select(i, ...)) end
  return reply
end

-- Whether a key is there and of its kind. What others wrote in its place is removed; where there is nothing, nothing is
-- written: Redis without memory refuses a script by its first write, and takes all of one that has deleted something.
local function typed(name, kind)
  local found = redis.call('TYPE', name).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', name) end
  return found == kind
end

-- What a job, and a task of it, have beside their records. What others wrote in its place is removed: it is lost, as if it was
-- deleted, and neither the task nor its job ends for it.
local PARTS = {[':members'] = 'set', [':log'] = 'stream', [':steps'] = 'list', [':followers'] = 'set', [':answer'] = 'hash'}
local function mend_parts(job, id)
  for part, kind in pairs(PARTS) do typed(key('job:', job, part), kind) end
  typed(key('j:', id), 'hash')
end

-- What a run is known by: its number and its claim. A Redis that went back, or was emptied, counts the same numbers again.
local function run_of(id)
  local t = redis.call('HMGET', key('t:', id), 'run', 'nonce')
  return (t[1] or '') .. '/' .. (t[2] or '')
end

-- Whether this run still counts: a runner that was declared dead and wakes up is refused everything.
local function current(id, run) return redis.call('HGET', key('t:', id), 'state') == 'running' and run_of(id) == run end

-- A run came forward: whatever troubled it, its time begins again. Not by a step that was forgotten and is done again: what
-- fails each time after it was done well would else be tried for ever (`forget`).
local function progress(id, step)
  redis.call('HSET', key('t:', id), 'idle', 0, 'tries', 0)
  if not step or redis.call('HEXISTS', key('j:', id), '!' .. step) == 0 then redis.call('HDEL', key('t:', id), 'since') end
end

-- Whether a journal lacks what was kept in it: it was deleted, or evicted. What it told is done again, but looked for first.
local function lost_journal(id)
  local r = redis.call('HMGET', key('t:', id), 'kept', 'unkept')
  if not r[2] and (tonumber(r[1] or '') or 0) > redis.call('HLEN', key('j:', id)) then
    redis.call('HSET', key('t:', id), 'unkept', 1)
    r[2] = '1'
  end
  return r[2] == '1'
end

-- Write something in the journal of a task.
local function keep(id, step, value)
  lost_journal(id)
  redis.call('HSET', key('j:', id), step, value)
  redis.call('HSET', key('t:', id), 'kept', redis.call('HLEN', key('j:', id)))
end

-- What a run has read since its last word is journalled with this one.
local function remember(id, reads)
  if reads == '' then return end
  for step, value in pairs(cjson.decode(reads)) do
    keep(id, step, value)
    progress(id, step)
  end
end

-- Why a run may not go on: it is stale, or its task is condemned (its job was cancelled, what it waited for failed).
local function refusal(id, run, reads)
  if not current(id, run) then return answer('stale') end
  remember(id, reads)
  local t = redis.call('HMGET', key('t:', id), 'fail', 'job', 'unwinds')
  if t[3] then return nil end
  local why = t[1] or redis.call('HGET', key('job:', t[2]), 'cancel')
  return why and answer('condemned', why) or nil
end

local function leave(id)
  local by = redis.call('HGET', key('t:', id), 'by')
  if by then redis.call('SREM', key('runs:', by), id) end
  redis.call('HDEL', key('t:', id), 'by', 'nonce')
end

local function set_parked(id, on)
  redis.call('HSET', key('t:', id), 'state', 'parked', 'on', on, 'parked', stamp(now()))
  count_parked(on, 1)
end

-- The task gives up its slot; it is run again from its top when what it waits for has happened.
local function park(id, on, detail)
  local t = key('t:', id)
  leave(id)
  set_parked(id, on)
  redis.call('HSET', t, 'idle', 0)
  redis.call('ZREM', key('due'), id)
  log(redis.call('HGET', t, 'job'), 'waiting', id, detail or on)
end

-- `pcall`, for what may be wrong with one record. That Redis takes no writes is no fault of it: it ends the script, by whose
-- first write it is told, and the script is run again.
local NO_WRITES = {OOM = true, READONLY = true, MISCONF = true, NOREPLICAS = true}
local function tried(act, ...)
  local did, result = pcall(act, ...)
  if did then return true, result end
  local said = type(result) == 'table' and result.err or tostring(result)
  local code = string.match(said, '^%-?(%u+) ') or string.match(said, '^@?[%w_]+: ?%d+: %-?(%u+) ')
  if NO_WRITES[code or ''] then error(result, 0) end
  return false, result
end

-- Nobody has a lock any more, or waits for it: nothing is kept of it.
local function forget_lock(name)
  for _, of in ipairs({'capacities', 'held'}) do
    if typed(key(of), 'hash') then redis.call('HDEL', key(of), name) end
  end
end

-- The list of the open jobs is lost together with others where Redis evicts keys: that of all jobs of a week has them too.
local all_are_open = false
local function find_open()
  if all_are_open then return end
  all_are_open = true
  for _, job in ipairs(typed(key('jobs'), 'zset') and redis.call('ZRANGE', key('jobs'), 0, -1) or {}) do
    tried(function()
      local j = redis.call('HMGET', key('job:', job), 'state', 'created')
      if j[1] == 'open' then redis.call('ZADD', key('open'), 'NX', tonumber(j[2] or '') or now(), job) end
    end)
  end
end

-- Where a lock is. If it was deleted (it has its places as long as somebody has it), or others wrote in its place, those
-- who have it or wait for it stand in it again as their records say: whoever came next would have it beside its owner.
local function lock_of(name)
  local lock = key('lock:', name)
  local found = redis.call('TYPE', lock).ok
  if found == 'zset' then return lock end
  local has_places = typed(key('capacities'), 'hash') and redis.call('HEXISTS', key('capacities'), name) == 1
  if found == 'none' and not has_places then return lock end
  redis.call('DEL', lock)
  find_open()
  for _, job in ipairs(redis.call('ZRANGE', key('open'), 0, -1)) do
    tried(function()
      for _, id in ipairs(redis.call('SMEMBERS', key('job:', job, ':members'))) do
        local r = redis.call('HMGET', key('t:', id), 'state', 'on', 'seq', 'holds')
        local holds = string.find(' ' .. (r[4] or ''), ' ' .. name .. ' ', 1, true)
        if holds then redis.call('ZADD', lock, 0, id) end
        if not holds and r[1] == 'parked' and r[2] == 'lock:' .. name then redis.call('ZADD', lock, r[3], id) end
      end
    end)
  end
  if redis.call('EXISTS', lock) == 0 then forget_lock(name) end
  return lock
end

-- Out of a lock, or of its line. Returns whether it was in it.
local function step_off(name, id)
  local lock = lock_of(name)
  local was = redis.call('ZREM', lock, id) == 1
  if redis.call('EXISTS', lock) == 0 then forget_lock(name) end
  return was
end

-- Nobody looks at a remote job any more.
local function forget_watch(event)
  redis.call('ZREM', key('watch'), event)
  for _, of in ipairs({'watched', 'watch:unseen'}) do redis.call('HDEL', key(of), event) end
end

-- Where those stand who wait for an event. What others wrote in its place is removed: `reconcile` finds who stood there.
local function waiters_of(event)
  local waiters = key('ev:', event, ':w')
  typed(waiters, 'set')
  return waiters
end

-- Out of the line for a lock or an event; what it holds it keeps.
local function step_out(id)
  local on = redis.call('HGET', key('t:', id), 'on') or ''
  local kind, what = string.match(on, '^(%l+):(.*)$')
  if kind == 'lock' then step_off(what, id) end
  if kind == 'ev' then
    local waiters = waiters_of(what)
    redis.call('SREM', waiters, id)
    if redis.call('EXISTS', waiters) == 0 then
      forget_watch(what)
    end
  end
end

-- What no script can handle ends and delays nobody else: it is due no more and stays, for people to see and to cancel.
local function set_aside(id, why)
  local t = key('t:', id)
  redis.call('ZREM', key('due'), id)
  if redis.call('TYPE', t).ok == 'hash' then
    tried(unpark, id)
    tried(step_out, id)
    redis.call('HSET', t, 'state', 'aside', 'aside', why)
  end
  redis.call('ZADD', key('aside'), stamp(now()), id)
  redis.call('EXPIRE', key('aside'), KEEP)
end

-- Do something for one record of many. Returns its result, or nothing where the record had to be set aside.
local function attempt(id, act)
  local did, result = tried(act)
  if did then return result end
  set_aside(id, type(result) == 'table' and (result.err or '') or tostring(result))
end

local function wake(id, resume)
  if redis.call('HGET', key('t:', id), 'state') ~= 'parked' then return end
  unpark(id)
  expect(id, resume)
  ring(id)
end

-- What a worker left running is due at once; a member of a chord only when the lease is over under which Celery may
-- have left the chord's body unpublished: run earlier, it could not publish it, and nobody else would.
local function orphan(id, on, lease, pause)
  local t = key('t:', id)
  local wait = redis.call('HGET', t, 'chord') == '1' and tonumber(lease) or 0
  set_parked(id, on)
  redis.call('ZADD', key('due'), stamp(now() + math.max(wait, tonumber(pause or 0))), id)
end

-- A task whose run took its worker, or its child process, with it. It is given up after so many without progress.
-- Returns whether it was so.
local function bereave(id, worker, patience, why, lease, pause)
  local t = key('t:', id)
  local r = redis.call('HMGET', t, 'state', 'by')
  if r[1] ~= 'running' or r[2] ~= worker then return false end
  if redis.call('HINCRBY', t, 'idle', 1) >= tonumber(patience) then redis.call('HSET', t, 'fail', why) end
  orphan(id, 'worker ' .. worker, lease, pause)
  return true
end

local function held(id)
  local names = redis.call('HGET', key('t:', id), 'holds')
  local list = {}
  for name in string.gmatch(names or '', '%S+') do list[#list + 1] = name end
  return list
end

-- How many places a lock has; nothing where others have written what is no such number.
local function capacity_of(name)
  local text = redis.call('HGET', key('capacities'), name) or '1'
  return #text < 16 and string.match(text, '^0*[1-9]%d*$') and tonumber(text) or nil
end

-- The time as of the last tick and a little more: a clock that was set forward since then has not moved what it is compared
-- with, and the next tick moves that.
local function now_as_ticked()
  local ticked = typed(key('ticked'), 'string') and tonumber(redis.call('GET', key('ticked'))) or now()
  return math.min(now(), ticked + 5)
end

-- A lock is a sorted set: score 0 is an owner, any other score the publish sequence of a waiter.
local function grant(name, resume)
  local lock = lock_of(name)
  typed(key('held'), 'hash')
  local capacity = capacity_of(name) or 1
  while redis.call('ZCOUNT', lock, 0, 0) < capacity do
    local first = redis.call('ZRANGEBYSCORE', lock, '(0', '+inf', 'LIMIT', 0, 1)[1]
    if not first then break end
    redis.call('ZADD', lock, 0, first)
    local woken = attempt(first, function()
      local t = key('t:', first)
      local r = redis.call('HMGET', t, 'holds', 'parked', 'since', 'state')
      if not r[4] then error('its record says nothing of it') end
      local waited = math.max(0, now_as_ticked() - (tonumber(r[2] or '') or now()))
      redis.call('HSET', t, 'holds', (r[1] or '') .. name .. ' ', 'waited', stamp(waited))
      -- Patience is for trouble; a turn in a line is waited for as long as it takes.
      if tonumber(r[3] or '') then redis.call('HSET', t, 'since', stamp(tonumber(r[3]) + waited)) end
      wake(first, resume)
      return true
    end)
    if woken then redis.call('HSET', key('held'), name, stamp(now())) else redis.call('ZREM', lock, first) end
  end
  if redis.call('EXISTS', lock) == 0 then forget_lock(name) end
end

-- Out of every lock and line, whatever its record says of them.
local function release_all(id, resume)
  for _, name in ipairs(redis.call('HKEYS', key('capacities'))) do
    if step_off(name, id) then grant(name, resume) end
  end
end

local function release(id, name, resume)
  step_off(name, id)
  local rest = {}
  for _, other in ipairs(held(id)) do
    if other ~= name then rest[#rest + 1] = other .. ' ' end
  end
  redis.call('HSET', key('t:', id), 'holds', table.concat(rest))
  grant(name, resume)
end

-- No request may join a run any more that has begun to look.
local function depart(id)
  local flight = redis.call('HGET', key('t:', id), 'flight')
  local place = flight and key('flight:', flight)
  if place and typed(place, 'string') and redis.call('GET', place) == id then redis.call('DEL', place) end
end

-- Take a place in a lock, or in its line. Returns `held` with the seconds that it was waited for ('' if that was told
-- before), or `parked` with ''. `departing`: once it is held, nobody may join this run any more.
local function take(id, name, capacity, resume, departing)
  local lock = lock_of(name)
  redis.call('HSET', key('capacities'), name, capacity)
  local joins = not redis.call('ZSCORE', lock, id)
  if joins then redis.call('ZADD', lock, redis.call('HGET', key('t:', id), 'seq'), id) end
  grant(name, resume)
  if redis.call('ZSCORE', lock, id) ~= '0' then
    park(id, 'lock:' .. name, name)
    return 'parked', ''
  end
  if departing then depart(id) end
  local waited = redis.call('HGET', key('t:', id), 'waited')
  if waited then redis.call('HDEL', key('t:', id), 'waited') end
  return 'held', joins and '0' or waited or ''
end

local function await(id, event, detail)
  redis.call('SADD', waiters_of(event), id)
  park(id, 'ev:' .. event, detail)
end
