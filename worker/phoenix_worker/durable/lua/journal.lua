-- What a step gave. ARGV: prefix, clock, id, run, what it read, step, value, UPID to tell in the job's history ('' for none).
-- Answers: journalled | stale.
local id = ARGV[3]
if not current(id, ARGV[4]) then return answer('stale') end
remember(id, ARGV[5])
keep(id, ARGV[6], ARGV[7])
progress(id, ARGV[6])
if ARGV[8] ~= '' then log(redis.call('HGET', key('t:', id), 'job'), 'remote-task', id, '', ARGV[8]) end
return answer('journalled')
