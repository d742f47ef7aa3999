--[[
Releases a hold by its owner. Releasing a released hold answers OK.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 person  4 fence  5 tombstoneMs
Result  OK, now, fields | NO_HOLD | NOT_YOURS | STALE_FENCE | EXPIRED | WRONG_STATE, state | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include holds
local hold, refusal = ownHold(ARGV[2], ARGV[3], ARGV[4])
if refusal then return refusal end
if hold.state == 'RELEASED' then return describeHold(ARGV[2]) end
if hold.state == 'EXPIRED' then return { 'EXPIRED', int(now) } end
if hold.state ~= 'HELD' then return { 'WRONG_STATE', int(now), hold.state } end
endHold(ARGV[2], hold, 'RELEASED', 'h', clock, tonumber(ARGV[5]))
publishSeats()
return describeHold(ARGV[2])
