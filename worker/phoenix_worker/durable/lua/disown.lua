-- A worker does not run what the ledger says that it runs: Redis lost its last writes, the end of that run among them.
-- ARGV: prefix, clock, id, run, worker, chord lease. Answers: due | stale.
local id, worker = ARGV[3], ARGV[5]
if redis.call('HGET', key('t:', id), 'by') ~= worker then redis.call('SREM', key('runs:', worker), id) end
if not current(id, ARGV[4]) or redis.call('HGET', key('t:', id), 'by') ~= worker then return answer('stale') end
leave(id)
orphan(id, 'retry', ARGV[6])
return answer('due')
