--[[
Reads one place; a poll by its owner counts as presence for a while, unless a process serves its stream.
KEYS  1 meta
ARGV  1 epoch  2 entry  3 person who polls, or '' to leave presence alone  4 presence of the poll in ms  5 processLeaseMs
Result  OK, now, entry, number, person, state, since, admission ends at or '', phase, line version, shift of the clock | NO_ENTRY | WRONG_EPOCH
]]
--@include event
--@include line
local place = readPlace(ARGV[2])
if not place then return { 'NO_ENTRY', int(now) } end
settlePlace(ARGV[2], place)
if place.state == 'W' and place.person == ARGV[3] then countPoll(ARGV[2], place, tonumber(ARGV[4]), tonumber(ARGV[5])) end
publishLine(false)
return describePlace(ARGV[2], place)
