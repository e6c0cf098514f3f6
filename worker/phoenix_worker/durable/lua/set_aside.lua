-- A record that no message can be made of. ARGV: prefix, clock, id, why.
set_aside(ARGV[3], ARGV[4])
return answer()
