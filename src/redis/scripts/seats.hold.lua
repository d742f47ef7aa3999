--[[
Claims seats for one owner, all or nothing. Running it again with the same hold id returns that hold and claims nothing.
KEYS  1 meta
ARGV  1 epoch  2 holdId  3 person  4 digest of the input  5 ttlMs  6 maxMs  7 kind: seats | best | accessible | standing
      8 seat indexes joined by commas, or the category  9 quantity  10 wheelchair places among them  11 section or ''  12 free letters
      13 price list  14 seats a person may have  15 seat-ms a person may hold without buying  16 reclaim bound  17 tombstoneMs
      18 entry id for somebody who comes in without having joined  19 categories
Result  OK, now, fields of the hold | KEY_REUSED | SALE_NOT_OPEN, opensAt | PAUSED | SALE_CLOSED | NOT_ADMITTED |
        RECOVERING, ms until places and admissions of before are back (who has one shows it) | PERSON_LIMIT |
        HOARDING, ms until it is forgiven | TAKEN, indexes | SOLD_OUT | NO_BLOCK, free places, then pairs of an offer's kind and seats |
        MORE (call again: expired holds are left to collect) | NUMBERS (call again after line.numbers) | WRONG_EPOCH
]]
--@include event
--@include seats
--@include people
--@include claim
--@include best
local holdId, person, kind, quantity, tombstoneMs = ARGV[2], ARGV[3], ARGV[7], tonumber(ARGV[9]), tonumber(ARGV[17])
local section, letters, bound = tonumber(ARGV[11]), ARGV[12], tonumber(ARGV[16])

local used = redis.call('HGET', key('hold:' .. holdId), 'digest')
if used then
  -- The ledger does not keep the input of a hold: after a rebuild it is empty.
  if used ~= '' and used ~= ARGV[4] then return { 'KEY_REUSED', int(now) } end
  return collector().describeHold(holdId)
end

if phase == 'CLOSED' then return { 'SALE_CLOSED', int(now) } end
if pausedAt then return { 'PAUSED', int(now) } end
local recoveredInMs = recovering and tonumber(opened[11]) - now
if phase == 'LOBBY' and recovering and now >= tonumber(opened[6]) then return { 'RECOVERING', int(now), int(recoveredInMs) } end
if phase == 'LOBBY' or phase == 'DRAWING' then return { 'SALE_NOT_OPEN', int(now), opened[6] } end

local entry = admittedEntry(person)
-- Lets somebody in who has not been admitted. Its functions are made when it runs, which is seldom in a rush.
local walkIn
local function goToTheDoor()
  --@include line
  --@include admission
  --@include door
end
if waitingRoom ~= 'NEVER' and not entry then
  if recovering then return { 'RECOVERING', int(now), int(recoveredInMs) } end
  if waitingRoom == 'ALWAYS' and phase ~= 'SOLD_OUT' then return { 'NOT_ADMITTED', int(now) } end
  walkIn = goToTheDoor()
  if not walkIn then return { 'NOT_ADMITTED', int(now) } end
end

-- Nil, or why the person may not have so many seats more: a code and its value.
local function refusal()
  local spent, holding, own = spentBy(person)
  local budget = tonumber(ARGV[15])
  if own + quantity > tonumber(ARGV[14]) then return 'PERSON_LIMIT', '' end
  if spent + holding >= budget then return 'HOARDING', int(math.ceil((spent + holding - budget + 1) / refillPerMs)) end
end

-- Named seats are judged one by one. Whoever searches, or may have expired holds of their own, needs everything collected first.
if kind ~= 'seats' or refusal() then
  if expireDue(bound, tombstoneMs) == bound or releaseDue(bound) == bound then
    publishSeats()
    return { 'MORE', int(now) }
  end
  publishSeats()
  local code, value = refusal()
  if code then return { code, int(now), value } end
end

local seats, dead = nil, {}
if kind == 'seats' then
  seats = numbers(ARGV[8])
  local taken
  taken, dead = judgeSeats(seats, letters)
  if #taken > 0 then return { 'TAKEN', int(now), table.concat(taken, ',') } end
else
  local refused
  seats, refused = choose(letters, kind, tonumber(ARGV[8]), section, quantity, tonumber(ARGV[10]), tonumber(ARGV[19]))
  if refused then return refused end
end

if walkIn then
  entry = walkIn(ARGV[18])
  if not entry then return { 'NUMBERS', int(now) } end
end
takeSeats(seats, holdId, dead, 'h', tombstoneMs)
local expiresAt = clock + tonumber(ARGV[5])
local hold = { 'owner', person, 'generation', generation, 'fence', int(version + 1), 'state', 'HELD', 'seats', table.concat(seats, ','),
  'createdAt', int(now), 'heldAt', int(clock), 'expiresAt', int(expiresAt), 'freeAt', int(expiresAt),
  'extensionsEndAt', int(clock + tonumber(ARGV[6])), 'digest', ARGV[4], 'prices', ARGV[13] }
redis.call('HSET', key('hold:' .. holdId), unpack(hold))
redis.call('ZADD', key('deadlines'), int(expiresAt), holdId)
local lasts = countHold(person, #seats, clock, 1)
if entry then redis.call('SREM', key('shopping'), entry) end
keepAdmitted(person, entry, expiresAt, lasts)
publishSeats()
return { 'OK', int(now), 'shift', int(now - clock), unpack(hold) }
