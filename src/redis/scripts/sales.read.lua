--[[
The counts of a sale at one version.
KEYS  1 meta
ARGV  1 epoch
Result  OK, now, version, waiting, admitted, phase, number of count fields × 2, count fields…, minute fields… | WRONG_EPOCH
]]
--@include event
--@include line
local counts = redis.call('HGETALL', key('counts'))
local reply = { 'OK', int(now), int(version), int(waitingCount()), int(redis.call('ZCARD', key('admitted'))), shownPhase(), int(#counts) }
for _, value in ipairs(counts) do reply[#reply + 1] = value end
for _, value in ipairs(redis.call('HGETALL', key('minutes'))) do reply[#reply + 1] = value end
return reply
