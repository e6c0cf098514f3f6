-- What a step gave. ARGV: prefix, clock, id, run, step, value, UPID to tell in the job's history ('' for none).
local id, t = ARGV[3], key('t:', ARGV[3])
if not current(id, ARGV[4]) then return answer('stale') end
redis.call('HSET', key('j:', id), ARGV[5], ARGV[6])
redis.call('HSET', t, 'idle', 0, 'tries', 0)
redis.call('HDEL', t, 'since')
if ARGV[7] ~= '' then log(redis.call('HGET', t, 'job'), 'remote-task', id, '', ARGV[7]) end
return answer('journalled')
