-- A worker lives: its heartbeat, the reaping of those that do not, and the return of what is overdue.
-- ARGV: prefix, clock, worker, heartbeat TTL, resume queue, runs without progress until a task is given up, give-up text,
-- chord lease.
-- Answers: seconds until the next record is due ('' if none is); runs taken from dead workers; messages sent again; what
-- `give` tells of each who was given the end of the run it shared.
local worker, ttl, resume = ARGV[3], tonumber(ARGV[4]), ARGV[5]
redis.call('ZADD', key('workers'), stamp(now()), worker)

local taken, repeated = 0, 0

local function bury_worker(dead)
  for _, id in ipairs(redis.call('SMEMBERS', key('runs:', dead))) do
    if attempt(id, function() return bereave(id, dead, ARGV[6], ARGV[7], ARGV[8]) end) then taken = taken + 1 end
  end
  redis.call('DEL', key('runs:', dead))
  redis.call('ZREM', key('workers'), dead)
end

local deaths = redis.call('ZRANGEBYSCORE', key('workers'), '-inf', stamp(now() - ttl))
for _, dead in ipairs(deaths) do bury_worker(dead) end

-- The place of the message that will be taken next from a queue; '' where it cannot be told.
local places = {}
local function oldest(queue)
  if places[queue] == nil then
    local readable, message = pcall(cjson.decode, redis.call('LINDEX', queue, -1) or '')
    local headers = readable and type(message) == 'table' and message.headers
    local id = type(headers) == 'table' and headers.id
    places[queue] = type(id) == 'string' and redis.call('HGET', key('t:', id), 'pos') or ''
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

-- What a dead worker had fetched and not claimed is looked for at once, however often it was repeated before; but not
-- what is just now on its way to its queue.
if deaths[1] then
  local due = redis.call('ZRANGE', key('due'), 0, 1000, 'WITHSCORES')
  for i = 1, #due, 2 do
    attempt(due[i], function()
      local t = redis.call('HMGET', key('t:', due[i]), 'state', 'rings')
      local fresh = t[2] == '0' and tonumber(due[i + 1]) > now() + GRACE / 2
      if t[1] == 'queued' and not fresh and lost(due[i]) then
        redis.call('HSET', key('t:', due[i]), 'rings', 0)
        redis.call('ZADD', key('due'), stamp(now()), due[i])
      end
    end)
  end
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
    redis.call('ZADD', key('due'), stamp(now() + math.min(pause, 60)), id)
  else
    redis.call('ZREM', key('due'), id)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('due'), '-inf', stamp(now()), 'LIMIT', 0, 200)) do
  attempt(id, function() serve(id) end)
end
local next = redis.call('ZRANGE', key('due'), 0, 0, 'WITHSCORES')
return answer(next[2] and stamp(tonumber(next[2]) - now()) or '', taken, repeated, given)
