-- A worker stops by itself: what it still ran is due at once. ARGV: prefix, clock, worker, chord lease.
for _, id in ipairs(redis.call('SMEMBERS', key('runs:', ARGV[3]))) do
  local t = key('t:', id)
  local r = redis.call('HMGET', t, 'state', 'by')
  if r[1] == 'running' and r[2] == ARGV[3] then
    orphan(id, 'retry', ARGV[4])
  end
end
redis.call('DEL', key('runs:', ARGV[3]))
redis.call('ZREM', key('workers'), ARGV[3])
redis.call('HDEL', key('queues'), ARGV[3])
return answer()
