--[[
Changes settings of a running event.
KEYS  1 meta
ARGV  1 generation  2 rateMilli  3 burst  4 cap  5 waitingRoom: 1 | 0  6 phase to set (CLOSED) or ''
Result  OK, now, phase | WRONG_EPOCH
]]
--@include event
--@include line
redis.call('HSET', key('line'), 'rateMilli', ARGV[2], 'burst', ARGV[3], 'cap', ARGV[4])
redis.call('HSET', KEYS[1], 'waitingRoom', ARGV[5])
if ARGV[6] ~= '' and phase ~= ARGV[6] then
  phase = ARGV[6]
  redis.call('HSET', KEYS[1], 'phase', phase)
  publishLine(true)
end
return { 'OK', int(now), phase }
