-- A child process of a worker died while it ran a task. ARGV: prefix, clock, id, worker, runs without progress until the
-- task is given up, give-up text, chord lease, seconds until it is run again.
redis.call('SREM', key('runs:', ARGV[4]), ARGV[3])
bereave(ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8])
return answer()
