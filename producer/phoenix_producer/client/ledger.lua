-- The part of the ledger that producers and workers share: where records live, and how one is made.
-- Every script begins with this text. ARGV[1] is the key prefix, ARGV[2] a clock for tests ('' takes the server's).

local PREFIX = ARGV[1]
local KEEP = 604800 -- seconds that a finished record answers for: as long as Celery keeps results (7 days)
local SCHEMA = 1    -- of records; a worker leaves those of a newer version to newer workers
local GRACE = 2     -- seconds until a message that nobody claimed is looked at again

local function key(...) return PREFIX .. table.concat({...}) end

local clock
local function now()
  if clock == nil then
    if ARGV[2] ~= '' then
      clock = tonumber(ARGV[2])
    else
      local t = redis.call('TIME')
      clock = tonumber(t[1]) + tonumber(t[2]) / 1000000
    end
  end
  return clock
end

local function stamp(at) return string.format('%.6f', at) end

-- The history of a job, which progress, `jobs show` and results read.
local function log(job, kind, id, detail, upid)
  local who = redis.call('HMGET', key('t:', id), 'name', 'subject')
  redis.call('XADD', key('job:', job, ':log'), 'MAXLEN', '~', 2000, '*', 'at', stamp(now()), 'kind', kind,
    'step', who[1] or '', 'subject', who[2] or '', 'detail', detail or '', 'upid', upid or '')
end

-- What became of jobs, for whoever follows: the newest some thousand, and no longer than anything else is kept.
local function announce(job, kind, outcome, cause, message)
  local j = redis.call('HMGET', key('job:', job), 'name', 'subject', 'requester')
  redis.call('XADD', key('events'), 'MAXLEN', '~', 10000, '*', 'at', stamp(now()), 'kind', kind, 'job', job,
    'request', j[1] or '', 'subject', j[2] or '', 'requester', j[3] or '',
    'outcome', outcome or '', 'cause', cause or '', 'message', message or '')
  redis.call('EXPIRE', key('events'), KEEP)
end

-- How many tasks are parked, and on what: a kind such as lock, upid or retry. What is 0 is not kept, nor what is less since
-- somebody deleted it meanwhile.
local function count_parked(on, change)
  local kind = string.match(on, '^ev:(%l+)/') or string.match(on, '^%l+')
  if redis.call('HINCRBY', key('parked'), kind, change) <= 0 then redis.call('HDEL', key('parked'), kind) end
  return kind
end

-- A task is parked no more. Its job keeps how long it was, by what for.
local function unpark(id)
  local r = redis.call('HMGET', key('t:', id), 'state', 'on', 'parked', 'job')
  if r[1] ~= 'parked' then return end
  local kind = count_parked(r[2], -1)
  if redis.call('EXISTS', key('job:', r[4])) == 1 then
    redis.call('HINCRBYFLOAT', key('job:', r[4]), 'parked:' .. kind, stamp(now() - tonumber(r[3])))
  end
end

-- A message that is about to be put on `queue`: its place there proves later whether it was lost or is only late.
local function expect(id, queue)
  redis.call('HSET', key('t:', id), 'state', 'queued', 'queue', queue, 'on', '', 'rings', 0,
    'pos', redis.call('INCR', key('pos:', queue)))
  redis.call('ZADD', key('due'), stamp(now() + GRACE), id)
end

-- Make the record of one message. An older or equal generation is a duplicate: it changes nothing and returns false.
local function record(id, gen, m)
  local t = key('t:', id)
  local known = redis.call('HGET', t, 'gen')
  if known and tonumber(known) >= gen then return false end
  if m.seq == nil or m.seq == '' then m.seq = redis.call('INCR', key('seq')) end
  if known then
    unpark(id)
    redis.call('DEL', key('j:', id))
    redis.call('HDEL', t, 'landed', 'by', 'nonce', 'fail', 'since', 'begun', 'unwinds', 'kept', 'unkept')
  end
  redis.call('HSET', t, 'v', SCHEMA, 'gen', gen, 'body', m.body, 'headers', m.headers, 'reply', m.reply,
    'name', m.name, 'subject', m.subject, 'job', m.job,
    'seq', m.seq, 'idle', 0, 'tries', 0, 'chord', m.chord and 1 or 0)
  redis.call('SADD', key('job:', m.job, ':members'), id)
  expect(id, m.queue)
  if m.job == id and not known then
    redis.call('HSET', key('job:', id), 'v', SCHEMA, 'state', 'open', 'name', m.name, 'subject', m.subject,
      'requester', m.requester or '', 'options', m.options or '', 'created', stamp(now()))
    redis.call('ZADD', key('jobs'), stamp(now()), id)
    redis.call('ZADD', key('open'), stamp(now()), id)
    redis.call('ZREMRANGEBYSCORE', key('jobs'), '-inf', stamp(now() - KEEP))
    redis.call('EXPIRE', key('jobs'), KEEP)
    log(id, 'requested', id, m.requester)
    announce(id, 'requested')
  end
  return true
end
