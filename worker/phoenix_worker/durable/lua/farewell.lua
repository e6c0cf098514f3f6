-- A worker stops by itself: what it still ran is due at once. ARGV: prefix, clock, worker, chord lease.
local worker = ARGV[3]
local runs = typed(key('runs:', worker), 'set') and redis.call('SMEMBERS', key('runs:', worker)) or {}
for _, id in ipairs(runs) do
  attempt(id, function()
    local r = redis.call('HMGET', key('t:', id), 'state', 'by')
    if r[1] == 'running' and r[2] == worker then orphan(id, 'retry', ARGV[4]) end
  end)
end
redis.call('DEL', key('runs:', worker))
redis.call('ZREM', key('workers'), worker)
redis.call('HDEL', key('queues'), worker)
return answer()
