--[[
Changes the seats of a hold in one step: keeps those that are wanted again, gives back the others, takes the new ones; all or nothing. Its
deadlines stay, its fence is a new one. A key that has changed it before answers the present state.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 person  4 fence  5 digest of (key, input)  6 kind  7 seat indexes, or the category  8 quantity
      9 wheelchair places among them  10 section or ''  11 free letters  12 seats a person may have  13 reclaim bound  14 tombstoneMs
      15 categories
Result  OK, now, fields | NO_HOLD | NOT_YOURS | STALE_FENCE | EXPIRED | WRONG_STATE, state | PAUSED | SALE_CLOSED |
        NOT_ADMITTED | PERSON_LIMIT | TAKEN, indexes | SOLD_OUT | NO_BLOCK, free places, offers … | MORE | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include holds
--@include claim
--@include best
local holdId, person, kind, quantity, letters = ARGV[2], ARGV[3], ARGV[6], tonumber(ARGV[8]), ARGV[11]
local bound, tombstoneMs, section = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[10])
local holdKey = key('hold:' .. holdId)

local changes = redis.call('HGET', holdKey, 'changes') or ''
local isRepeated = string.find(changes, ARGV[5], 1, true)
local hold, refused = ownHold(holdId, person, isRepeated and redis.call('HGET', holdKey, 'fence') or ARGV[4])
if refused then return refused end
if isRepeated then return describeHold(holdId) end
if hold.state == 'EXPIRED' then return { 'EXPIRED', int(now) } end
if hold.state ~= 'HELD' then return { 'WRONG_STATE', int(now), hold.state } end
if phase == 'CLOSED' then return { 'SALE_CLOSED', int(now) } end
if pausedAt then return { 'PAUSED', int(now) } end
if waitingRoom ~= 'NEVER' and not admittedEntry(person) then return { 'NOT_ADMITTED', int(now) } end

local own = numbers(hold.seats)
local function exceedsLimit()
  return tonumber(redis.call('HGET', key('people'), person) or 0) - #own + quantity > tonumber(ARGV[12])
end
if kind ~= 'seats' or exceedsLimit() then
  if expireDue(bound, tombstoneMs) == bound or releaseDue(bound) == bound then
    publishSeats()
    return { 'MORE', int(now) }
  end
  publishSeats()
  if exceedsLimit() then return { 'PERSON_LIMIT', int(now) } end
end

-- The own seats are free for the search; nobody else sees that, because a script is one step.
local wasOwn = {}
for _, index in ipairs(own) do wasOwn[index] = true end
moveSeats(own, 'h', '.')
refit()

local seats, dead, failure = nil, {}, nil
if kind == 'seats' then
  seats = numbers(ARGV[7])
  local taken, wanted = nil, {}
  for _, index in ipairs(seats) do if not wasOwn[index] then wanted[#wanted + 1] = index end end
  taken, dead = judgeSeats(wanted, letters)
  if #taken > 0 then failure = { 'TAKEN', int(now), table.concat(taken, ',') } end
else
  seats, failure = choose(letters, kind, tonumber(ARGV[7]), section, quantity, tonumber(ARGV[9]), tonumber(ARGV[15]))
end

if failure then
  moveSeats(own, '.', 'h')
  refit()
  return failure
end

for other in pairs(dead) do expireHold(other, tombstoneMs) end
redis.call('HDEL', key('seats'), unpack(own))
takeSeats(seats, holdId, {}, 'h', tombstoneMs)
-- A seat that was kept has not moved.
local moved, isKept = {}, {}
for _, index in ipairs(seats) do isKept[index] = wasOwn[index] end
for _, index in ipairs(changed) do if not isKept[index] then moved[#moved + 1] = index end end
changed = moved
if #moved > 0 then
  redis.call('HSET', holdKey, 'seats', table.concat(seats, ','), 'fence', int(version + 1))
  local more, heldAt = #seats - #own, tonumber(hold.heldAt)
  redis.call('HINCRBY', key('people'), person, int(more))
  redis.call('HINCRBY', key('people'), person .. '|held', int(more))
  redis.call('HINCRBY', key('people'), person .. '|since', int(more * heldAt))
end
-- Only the newest digests are kept: a retry that is older than so many later changes is a new one.
redis.call('HSET', holdKey, 'changes', string.sub(changes .. ',' .. ARGV[5], -512))
publishSeats(nil, holdId)
return describeHold(holdId)
