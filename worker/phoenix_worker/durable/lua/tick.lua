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
    if bereave(id, dead, ARGV[6], ARGV[7], ARGV[8]) then taken = taken + 1 end
  end
  redis.call('DEL', key('runs:', dead))
  redis.call('ZREM', key('workers'), dead)
end

for _, dead in ipairs(redis.call('ZRANGEBYSCORE', key('workers'), '-inf', stamp(now() - ttl))) do bury_worker(dead) end

-- Late is not lost: a queued message is repeated only when its queue is empty, or when one that was put there after it
-- has been claimed (lists are first in, first out). Repeating on time alone multiplies a backlog.
local function lost(id)
  local t = redis.call('HMGET', key('t:', id), 'queue', 'pos')
  return redis.call('LLEN', t[1]) == 0
    or tonumber(redis.call('HGET', key('claimed'), t[1]) or 0) > tonumber(t[2])
end

local given = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('due'), '-inf', stamp(now()), 'LIMIT', 0, 200)) do
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
local next = redis.call('ZRANGE', key('due'), 0, 0, 'WITHSCORES')
return answer(next[2] and stamp(tonumber(next[2]) - now()) or '', taken, repeated, given)
