-- Record a message before it is sent. ARGV: prefix, clock, id, generation, message (JSON).
return answer(record(ARGV[3], tonumber(ARGV[4]), cjson.decode(ARGV[5])) and 'recorded' or 'known')
