--[[
Reads one place; a poll by its owner counts as presence for a while, unless a process serves its stream.
KEYS  1 meta
ARGV  1 generation  2 entry  3 presence of the poll in ms, or 0 to leave presence alone  4 processLeaseMs
Result  OK, now, entry, number, person, state, since, admission ends at or '', phase | NO_ENTRY | WRONG_EPOCH
]]
--@include event
--@include line
local place = readPlace(ARGV[2])
if not place then return { 'NO_ENTRY', int(now) } end
if place.state == 'W' and tonumber(ARGV[3]) > 0 then
  local where = redis.call('HGET', key('attached'), ARGV[2])
  if not where or string.sub(where, 1, 1) == '@' or not isAttached(ARGV[2], tonumber(ARGV[4])) then
    comeBack(ARGV[2], place, '@' .. int(now + tonumber(ARGV[3])))
  end
end
return describePlace(ARGV[2], place)
