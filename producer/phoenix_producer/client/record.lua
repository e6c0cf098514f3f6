-- Record a message before it is sent. ARGV: prefix, clock, id, generation, message (JSON).
return record(ARGV[3], tonumber(ARGV[4]), cjson.decode(ARGV[5])) and 1 or 0
