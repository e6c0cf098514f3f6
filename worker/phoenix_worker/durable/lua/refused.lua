-- What has become of a record, or of something beside it, keeps a task from being claimed, or its end from being written. What
-- all requests share is mended by a tick meanwhile; the rest is not. So it is tried again a few times, then set aside.
-- ARGV: prefix, clock, id, nonce of the claim, '1' if it may not be claimed yet, why, how many runs without progress are enough.
-- Answers: unknown (there is no record) | later | aside | stale (the record is that of another run, or of none).
local id, t = ARGV[3], key('t:', ARGV[3])
if redis.call('EXISTS', t) == 0 then return answer('unknown') end
local function later()
  local r = redis.call('HMGET', t, 'state', 'nonce')
  local is_its = r[1] == 'running' and r[2] == ARGV[4] or r[1] == 'queued' and ARGV[5] == '1'
  if r[1] and not is_its then return 'stale' end
  if not r[1] or redis.call('HINCRBY', t, 'idle', 1) >= tonumber(ARGV[7]) then error(ARGV[6], 0) end
  leave(id)
  set_parked(id, 'retry')
  redis.call('ZADD', key('due'), stamp(now() + GRACE), id)
  return 'later'
end
local did, verdict = tried(later)
if did then return answer(verdict) end
set_aside(id, type(verdict) == 'table' and (verdict.err or '') or tostring(verdict))
return answer('aside')
