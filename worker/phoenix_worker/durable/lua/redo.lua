-- A task is about to have something done before it. If the job had it done in an earlier generation of this task, it was undone
-- since, however well it was done: that is no progress, and the task's patience counts from when that was found first.
-- ARGV: prefix, clock, id, run, what it read, what it is about to have done.
-- Answers: begun (also by an earlier run of this generation) | again, since when that goes on, how often it was found before |
-- condemned, why | stale.
local id, what = ARGV[3], ARGV[6]
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
local t = key('t:', id)
local r = redis.call('HMGET', t, 'gen', 'job', 'since')
local job = key('job:', r[2])
local earlier = redis.call('HGET', job, 'done:' .. what)
if earlier == r[1] or redis.call('EXISTS', job) == 0 then return answer('begun') end
redis.call('HSET', job, 'done:' .. what, r[1])
if not earlier then return answer('begun') end
redis.call('HSETNX', job, 'undone:' .. what, stamp(now_as_ticked()))
local first = tonumber(redis.call('HGET', job, 'undone:' .. what) or '') or now_as_ticked()
local since = stamp(math.min(tonumber(r[3] or '') or math.huge, first))
redis.call('HSET', t, 'since', since)
return answer('again', since, redis.call('HINCRBY', job, 'times:' .. what, 1) - 1)
