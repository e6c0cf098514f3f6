-- A worker lives: its heartbeat, the reaping of those that do not, and the return of what is overdue.
-- ARGV: prefix, clock, worker, heartbeat TTL, resume queue, runs without progress until a task is given up, give-up text,
-- chord lease, and what the worker knows of the clock: when its last tick was, how many seconds ago that is by its own clock,
-- `set` then, and its number. '' in its first tick, which takes nobody for dead: the clock may have been set, and who lives
-- beats soon. Last, the queues that it takes from, '' if it takes from all.
-- Answers: seconds until the next record is due ('' if none is); runs taken from dead workers; messages sent again; what
-- `give` tells of each who was given the end of the run it shared; now; `set`; `ticks`; ids and runs of what this
-- worker runs, as the ledger has it.
local worker, ttl, resume = ARGV[3], tonumber(ARGV[4]), ARGV[5]

-- What others wrote in the place of what all requests share says nothing. It is removed: left, it would end every script.
local KINDS = {due = 'zset', workers = 'zset', watch = 'zset', open = 'zset', jobs = 'zset', aside = 'zset', watched = 'hash',
  ['watch:looks'] = 'hash', ['watch:unseen'] = 'hash', capacities = 'hash', held = 'hash', claimed = 'hash', parked = 'hash', events = 'stream',
  queues = 'hash', reservations = 'hash', ['reserved:lately'] = 'zset', drained = 'hash'}

local LONGEST_TURN = 60000 -- milliseconds

local PRIORITIES = {'', '\6\0223', '\6\0226', '\6\0229'} -- kombu keeps a list for each; these are their names' ends

local function is_whole(text) return #text < 16 and string.match(text, '^%-?%d+$') ~= nil end

local function is_number(text) return #text < 24 and string.match(text, '^%-?%d+%.?%d*$') ~= nil end

local function mend_counter(name, fits, otherwise)
  if redis.call('EXISTS', key(name)) == 0 then return end
  if typed(key(name), 'string') and fits(redis.call('GET', key(name))) then return end
  redis.call('SET', key(name), otherwise)
end

local function mend_shared()
  for name, kind in pairs(KINDS) do typed(key(name), kind) end
  for _, name in ipairs({'claimed', 'parked'}) do
    for _, field in ipairs(redis.call('HKEYS', key(name))) do
      if not is_whole(redis.call('HGET', key(name), field)) then redis.call('HDEL', key(name), field) end
    end
  end
  for _, name in ipairs(redis.call('HKEYS', key('capacities'))) do
    lock_of(name)
    if not capacity_of(name) then
      redis.call('HDEL', key('capacities'), name)
      grant(name, resume)
    end
  end
  for _, name in ipairs({'ticks', 'seq', 'reserved'}) do mend_counter(name, is_whole, string.format('%.0f', now() * 1000)) end
  for _, name in ipairs({'ticked', 'set'}) do mend_counter(name, is_number, name == 'set' and '0' or stamp(now())) end
  for _, queue in ipairs({'phoenix.ensure', 'phoenix.upkeep', resume}) do
    local claimed = redis.call('HGET', key('claimed'), queue) or '0'
    mend_counter('pos:' .. queue, is_whole, claimed)
    if tonumber(redis.call('GET', key('pos:', queue)) or '0') < tonumber(claimed) then redis.call('SET', key('pos:', queue), claimed) end
    -- No worker could begin to consume, and nobody ask for anything.
    for _, bindings in ipairs({'_kombu.binding.', '_kombu.binding_permanent.'}) do typed(bindings .. queue, 'set') end
    for _, priority in ipairs(PRIORITIES) do typed(queue .. priority, 'list') end
  end
  -- The turn of a worker lasts seconds.
  local left = typed(key('watch:turn'), 'string') and redis.call('PTTL', key('watch:turn')) or 0
  if left == -1 or left > LONGEST_TURN then redis.call('DEL', key('watch:turn')) end
end
mend_shared()

-- What was written since the clock was set, within `fresh` seconds, goes by the new one already.
local fresh = tonumber(ARGV[10] or '') or 0
local function goes_by_old_clock(at, by)
  if at < now() - fresh then return true end
  return by < 0 and at >= now() - by / 2
end

local function move_scores(set, by)
  local all = redis.call('ZRANGE', key(set), 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do
    local at = tonumber(all[i + 1])
    if goes_by_old_clock(at, by) then redis.call('ZADD', key(set), stamp(at + by), all[i]) end
  end
end

local function move_fields(hash, by, fields)
  for _, field in ipairs(fields) do
    local at = tonumber(redis.call('HGET', hash, field) or '')
    if at and goes_by_old_clock(at, by) then redis.call('HSET', hash, field, stamp(at + by)) end
  end
end

local function move_member(id, by)
  move_fields(key('t:', id), by, {'parked', 'since', 'begun'})
  local sleeps = {}
  for _, step in ipairs(redis.call('HKEYS', key('j:', id))) do
    if string.match(step, '^~%d+$') then sleeps[#sleeps + 1] = step end
  end
  move_fields(key('j:', id), by, sleeps)
end

local function times_of(job)
  local fields = {'created'}
  for _, field in ipairs(redis.call('HKEYS', key('job:', job))) do
    if string.match(field, '^undone:') then fields[#fields + 1] = field end
  end
  return fields
end

-- The clock of Redis was set, by so many seconds: whatever is open and was written before keeps its distance from now.
local function move_times(by)
  for _, set in ipairs({'due', 'watch', 'workers', 'open'}) do move_scores(set, by) end
  for _, job in ipairs(redis.call('ZRANGE', key('open'), 0, -1)) do
    attempt(job, function()
      move_fields(key('job:', job), by, times_of(job))
      for _, id in ipairs(redis.call('SMEMBERS', key('job:', job, ':members'))) do move_member(id, by) end
    end)
  end
  move_fields(key('held'), by, redis.call('HKEYS', key('held')))
  for _, event in ipairs(redis.call('HKEYS', key('watched'))) do
    local read, watch = pcall(cjson.decode, redis.call('HGET', key('watched'), event))
    if read and type(watch) == 'table' and tonumber(watch.since) and goes_by_old_clock(tonumber(watch.since), by) then
      watch.since = stamp(tonumber(watch.since) + by)
      redis.call('HSET', key('watched'), event, cjson.encode(watch))
    end
  end
  -- Its TTL counts by the same clock: set back, a dead worker's turn would last as long as that.
  redis.call('DEL', key('watch:turn'))
  redis.call('INCRBYFLOAT', key('set'), stamp(by))
  redis.call('SET', key('ticked'), stamp(tonumber(redis.call('GET', key('ticked')) or now()) + by))
end

-- Less than that is a Redis that stood still between question and answer.
local SLIGHT = math.max(ttl / 2, 5)

-- A worker that was taken for dead stood still itself, and knows nothing of the clock.
if (ARGV[9] or '') ~= '' and redis.call('ZSCORE', key('workers'), worker) then
  local moved = tonumber(redis.call('GET', key('set')) or 0) - tonumber(ARGV[11])
  local by = now() - (tonumber(ARGV[9]) + tonumber(ARGV[10]) + moved)
  if math.abs(by) > SLIGHT then move_times(by) end
end
-- Set back while no worker lived that would have noticed: the last tick is still to come.
local ahead = tonumber(redis.call('GET', key('ticked')) or 0) - now()
if ahead > SLIGHT then move_times(-ahead) end
redis.call('SET', key('ticked'), stamp(now()))
redis.call('ZADD', key('workers'), stamp(now()), worker)
local number = redis.call('INCR', key('ticks'))
local went_back = number <= (tonumber(ARGV[12] or '') or 0)

local taken, repeated = 0, 0

local function runs_of(one)
  return typed(key('runs:', one), 'set') and redis.call('SMEMBERS', key('runs:', one)) or {}
end

local function bury_worker(dead)
  for _, id in ipairs(runs_of(dead)) do
    if attempt(id, function() return bereave(id, dead, ARGV[6], ARGV[7], ARGV[8]) end) then taken = taken + 1 end
  end
  redis.call('DEL', key('runs:', dead))
  redis.call('ZREM', key('workers'), dead)
end

local deaths = ARGV[9] == '' and {} or redis.call('ZRANGEBYSCORE', key('workers'), '-inf', stamp(now() - ttl))
for _, dead in ipairs(deaths) do bury_worker(dead) end

-- Who takes from some queues alone says so for as long as it lives. Who says nothing takes from all, as earlier versions do.
if (ARGV[13] or '') ~= '' then
  redis.call('HSET', key('queues'), worker, ARGV[13])
else
  redis.call('HDEL', key('queues'), worker)
end
for _, one in ipairs(redis.call('HKEYS', key('queues'))) do
  if not redis.call('ZSCORE', key('workers'), one) then redis.call('HDEL', key('queues'), one) end
end

-- The place of the message that will be taken next from a queue; '' where it cannot be told.
local places = {}
local function oldest(queue)
  if places[queue] == nil then
    local readable, message = pcall(cjson.decode, redis.call('LINDEX', queue, -1) or '')
    local headers = readable and type(message) == 'table' and message.headers
    local id = type(headers) == 'table' and headers.id
    local found, place = pcall(redis.call, 'HGET', key('t:', type(id) == 'string' and id or ''), 'pos')
    places[queue] = found and place or ''
  end
  return tonumber(places[queue])
end

-- Late is not lost: a queued message is repeated only when its queue is empty, or when one that was put there after it
-- is next in it or has been claimed (lists are first in, first out). Repeating on time alone multiplies a backlog.
local function lost(id)
  local t = redis.call('HMGET', key('t:', id), 'queue', 'pos')
  local place = tonumber(t[2])
  return redis.call('LLEN', t[1]) == 0
    or (oldest(t[1]) or 0) > place
    or tonumber(redis.call('HGET', key('claimed'), t[1]) or 0) > place
end

-- What a dead worker had fetched and not claimed is looked for at once, and soon again while nothing is proved, however often
-- it was repeated before; but not what is just now on its way to its queue. So is what a living one has claimed where Redis
-- has forgotten that: its run is refused.
if deaths[1] or went_back then
  local due = redis.call('ZRANGE', key('due'), 0, 1000, 'WITHSCORES')
  for i = 1, #due, 2 do
    attempt(due[i], function()
      local t = redis.call('HMGET', key('t:', due[i]), 'state', 'rings')
      local repeated = t[2] ~= '0'
      local fresh = not repeated and tonumber(due[i + 1]) > now() + GRACE / 2
      if t[1] == 'queued' and not fresh and (repeated or lost(due[i])) then
        redis.call('HSET', key('t:', due[i]), 'rings', 0)
        redis.call('ZADD', key('due'), stamp(now()), due[i])
      end
    end)
  end
end

-- A queued message that is due later than it ever may be was recorded by a clock that was set back before any tick saw it.
local LONGEST_PAUSE = 60
for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', key('due'), '+inf', stamp(now() + 2 * LONGEST_PAUSE), 'LIMIT', 0, 200)) do
  attempt(id, function()
    if redis.call('HGET', key('t:', id), 'state') == 'queued' then redis.call('ZADD', key('due'), stamp(now()), id) end
  end)
end

-- So is what is to be looked at later than any look may be: its look began by a clock that was set back since.
local LONGEST_LOOK = 900
for _, event in ipairs(redis.call('ZREVRANGEBYSCORE', key('watch'), '+inf', stamp(now() + 2 * LONGEST_LOOK), 'LIMIT', 0, 200)) do
  redis.call('ZADD', key('watch'), stamp(now()), event)
end

local given = {}
local function serve(id)
  local t = key('t:', id)
  local state = redis.call('HGET', t, 'state')
  if is_given(id) then
    given[#given + 1] = give(id, resume)
  elseif state == 'parked' then
    wake(id, resume)
  elseif state == 'queued' then
    local pause
    if lost(id) then
      ring(id)
      repeated = repeated + 1
      pause = GRACE * 2 ^ redis.call('HINCRBY', t, 'rings', 1)
    else
      -- The proof may come any moment: a short queue is looked at often, each message of a long one seldom.
      pause = GRACE / 4 + redis.call('LLEN', redis.call('HGET', t, 'queue')) / 50
    end
    redis.call('ZADD', key('due'), stamp(now() + math.min(pause, LONGEST_PAUSE)), id)
  else
    redis.call('ZREM', key('due'), id)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('due'), '-inf', stamp(now()), 'LIMIT', 0, 200)) do
  attempt(id, function() serve(id) end)
end
local next = redis.call('ZRANGE', key('due'), 0, 0, 'WITHSCORES')
local mine = {}
for _, id in ipairs(runs_of(worker)) do
  attempt(id, function()
    local run = run_of(id)
    mine[#mine + 1] = id
    mine[#mine + 1] = run
  end)
end
return answer(next[2] and stamp(tonumber(next[2]) - now()) or '', taken, repeated, given, stamp(now()),
  redis.call('GET', key('set')) or '0', number, mine)
