-- Before a run. ARGV: prefix, clock, id, generation, worker, nonce, message of an unknown sender ('' if not at hand), the
-- task's name and the SHA-1 of the message's body, as the ledger has them, and those of its headers that decide (JSON).
-- Answers: run | drop (parked, replaced, running elsewhere, done, of another generation, another message) | unknown.
local id, gen, worker, nonce, foreign = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
local t = key('t:', id)
if redis.call('EXISTS', t) == 0 then
  if foreign == '' then return answer('unknown') end
  record(id, gen, cjson.decode(foreign))
end
local version = redis.call('HGET', t, 'v') or '1'
if not string.match(version, '^%d%d?%d?$') then error('the version of its record is not a number') end
if tonumber(version) > SCHEMA then
  -- A newer worker has to get the message: it is sent again soon, however often older ones take it. Not at even
  -- intervals: those fall into step with the workers' waiting, and the same one takes it each time.
  local pause = GRACE * (1 + now() * 1000 % 1)
  if redis.call('HGET', t, 'state') == 'queued' then redis.call('ZADD', key('due'), stamp(now() + pause), id) end
  return answer('drop', 'a record of a newer version')
end
local r = redis.call('HMGET', t, 'gen', 'state', 'nonce', 'queue', 'pos', 'name', 'body', 'headers', 'job')
if tonumber(r[1] or '') ~= gen then return answer('drop', 'generation ' .. (r[1] or 'unknown')) end
if not (r[2] == 'queued' or (r[2] == 'running' and r[3] == nonce)) then return answer('drop', r[2]) end
local function decides(value) return value and value ~= cjson.null and value ~= 0 and value or false end
local function is_recorded_so(headers, told)
  local read, kept, given = pcall(function() return cjson.decode(headers), cjson.decode(told) end)
  if not read or type(kept) ~= 'table' then return false end -- half of a surrogate pair is no text to cjson
  for name, value in pairs(given) do
    if decides(kept[name]) ~= decides(value) then return false end
  end
  return true
end
if ARGV[8] ~= '' and (r[6] ~= ARGV[8] or redis.sha1hex(r[7]) ~= ARGV[9] or not is_recorded_so(r[8], ARGV[10])) then
  -- Somebody pushed it under the id of a request of another content. The one in the ledger stays due.
  return answer('drop', 'another message than the recorded one')
end
mend_parts(r[9], id)
if r[2] == 'queued' then
  redis.call('HINCRBY', t, 'run', 1)
  redis.call('HSET', t, 'state', 'running', 'by', worker, 'nonce', nonce)
  redis.call('ZREM', key('due'), id)
  redis.call('SADD', key('runs:', worker), id)
  redis.call('ZADD', key('workers'), 'NX', stamp(now()), worker)
  local claimed = tonumber(redis.call('HGET', key('claimed'), r[4]) or 0)
  if tonumber(r[5]) > claimed then redis.call('HSET', key('claimed'), r[4], r[5]) end
  if redis.call('HSETNX', t, 'begun', stamp(now())) == 1 then
    local job = redis.call('HGET', t, 'job')
    log(job, 'step-started', id)
    if job == id then shrink(key('job:', job, ':log')) end
  end
end
local s = redis.call('HMGET', t, 'seq', 'job', 'landed', 'fail', 'tries', 'since', 'begun')
local j = redis.call('HMGET', key('job:', s[2]), 'cancel', 'detached', 'created', 'state')
-- It was entered as it was recorded: unless that was deleted, nothing is written.
if j[4] == 'open' then
  redis.call('SADD', key('job:', s[2], ':members'), id)
  redis.call('ZADD', key('open'), 'NX', tonumber(j[3] or '') or now(), s[2])
end
-- Patience goes by it: a clock that was set forward since the last tick does not use it up.
local at = now_as_ticked()
return answer('run', run_of(id), s[1], s[2], s[3] or '', s[4] or j[1] or '', s[5], s[6] or '', s[7], stamp(at),
  j[2] or '', j[3] or s[7], stamp(now()), redis.call('HGETALL', key('j:', id)), lost_journal(id) and 1 or 0)
