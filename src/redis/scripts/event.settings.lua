--[[
Changes settings of a running event. A new rate counts from now on. Closing is for good.
KEYS  1 meta
ARGV  1 epoch  2 rateMilli  3 burst  4 cap  5 waitingRoom: ALWAYS | NEVER | AUTO  6 close | pause | resume | ''
Result  OK, now, phase, instant since which it is paused or '', ms for which its clock has stood still in earlier pauses | WRONG_EPOCH
]]
--@include event
--@include line
--@include admission
spendTokens(readAdmission(), 0)
redis.call('HSET', key('line'), 'rateMilli', ARGV[2], 'burst', ARGV[3], 'cap', ARGV[4])
redis.call('HSET', KEYS[1], 'waitingRoom', ARGV[5])
local before = shownPhase()
if ARGV[6] == 'close' then
  phase = 'CLOSED'
  redis.call('HSET', KEYS[1], 'phase', phase)
elseif ARGV[6] == 'pause' and not pausedAt then
  pausedAt = now
  redis.call('HSET', KEYS[1], 'pausedAt', int(now))
elseif ARGV[6] == 'resume' and pausedAt then
  pausedAt = nil
  redis.call('HSET', KEYS[1], 'pausedAt', '', 'pausedMs', int(now - clock))
end
if shownPhase() ~= before then publishLine(true) end
return { 'OK', int(now), shownPhase(), pausedAt and int(pausedAt) or '', redis.call('HGET', KEYS[1], 'pausedMs') }
