--[[
Ends a place by its owner. Leaving twice answers OK.
KEYS  1 meta
ARGV  1 epoch  2 entry  3 person
Result  OK, now, entry, number, person, state, since, '', phase, line version, shift of the clock | NO_ENTRY | NOT_YOURS | WRONG_EPOCH
]]
--@include event
--@include line
local place = readPlace(ARGV[2])
if not place then return { 'NO_ENTRY', int(now) } end
if place.person ~= ARGV[3] then return { 'NOT_YOURS', int(now) } end
settlePlace(ARGV[2], place)
if place.state == 'W' or place.state == 'A' then endPlace(ARGV[2], place, 'L') end
publishLine(false)
return describePlace(ARGV[2], place)
