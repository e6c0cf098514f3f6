-- A link has done its work: its successor is recorded and the link marked landed, together. A re-run gives the same
-- value again and never acts. A link whose result nobody wants ends here.
-- ARGV: prefix, clock, id, run, successor's id, its generation, its message, the link's value (JSON), resume queue if it
-- ends, else ''. Answers: landed | stale.
local id, t = ARGV[3], key('t:', ARGV[3])
if not current(id, ARGV[4]) then return answer('stale') end
if redis.call('HEXISTS', t, 'landed') == 0 then
  local job = redis.call('HGET', t, 'job')
  record(ARGV[5], tonumber(ARGV[6]), cjson.decode(ARGV[7])) -- first: what it raises keeps the link from having landed
  redis.call('HSET', t, 'landed', ARGV[8])
  log(job, 'step-done', id)
  redis.call('RPUSH', key('job:', job, ':steps'), ARGV[8])
end
if ARGV[9] ~= '' then bury(id, ARGV[9]) end
return answer('landed')
