-- A choice that a job makes once, with what it reserves. ARGV: prefix, clock, id, run, what it read, what is chosen for, the
-- choice, the reservation (JSON, '' for none), how many reservations were made when it was thought out.
-- Answers: settled, the choice of this job, new or earlier (another run's) | behind: others reserved since | condemned, why |
-- stale.
local id, job = ARGV[3], key('job:', redis.call('HGET', key('t:', ARGV[3]), 'job') or '')
local refused = refusal(id, ARGV[4], ARGV[5])
if refused then return refused end
local field = 'chosen:' .. ARGV[6]
local earlier = redis.call('HGET', job, field)
if earlier then return answer('settled', earlier, 'earlier') end
if ARGV[8] ~= '' then
  typed(key('reservations'), 'hash')
  if (redis.call('GET', key('reserved')) or '0') ~= ARGV[9] then return answer('behind') end
  redis.call('INCR', key('reserved'))
  local name = redis.call('HGET', job, 'reserved') and id .. '/' .. ARGV[6] or id
  redis.call('HSET', key('reservations'), name, ARGV[8])
  redis.call('HSET', job, 'reserved', (redis.call('HGET', job, 'reserved') or '') .. name .. ' ')
end
redis.call('HSET', job, field, ARGV[7])
progress(id)
return answer('settled', ARGV[7], 'new')
