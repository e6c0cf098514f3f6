-- Reservations are kept no longer: what they were for is seen. ARGV: prefix, clock, their names. Answers: unreserved.
typed(key('reservations'), 'hash')
for i = 3, #ARGV do redis.call('HDEL', key('reservations'), ARGV[i]) end
return answer('unreserved')
