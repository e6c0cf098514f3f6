-- A remote job is to be looked at in so many seconds, by one clock with all else. ARGV: prefix, clock, event, seconds.
redis.call('ZADD', key('watch'), 'XX', stamp(now() + tonumber(ARGV[4])), ARGV[3])
return answer()
