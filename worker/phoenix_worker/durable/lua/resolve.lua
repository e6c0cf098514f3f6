-- An event has happened. ARGV: prefix, clock, resume queue, event, value.
resolve(ARGV[4], ARGV[5], ARGV[3])
return answer()
