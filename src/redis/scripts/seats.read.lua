--[[
Reads one hold.
KEYS  1 meta
ARGV  1 epoch  2 holdId
Result  OK, now, fields of the hold | NO_HOLD | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include holds
return describeHold(ARGV[2])
