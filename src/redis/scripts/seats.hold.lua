--[[
Claims seats for one owner, all or nothing. Running it again with the same hold id returns that hold and claims nothing.
KEYS  1 meta
ARGV  1 generation  2 holdId  3 person  4 digest of the input  5 ttlMs  6 maxMs  7 kind: seats | best | standing
      8 seat indexes joined by commas, or the category  9 quantity  10 price list  11 seats a person may have
      12 reclaim bound  13 tombstoneMs
Result  OK, now, fields of the hold | KEY_REUSED | SALE_NOT_OPEN, opensAt | SALE_CLOSED | NOT_ADMITTED | PERSON_LIMIT |
        TAKEN, indexes | SOLD_OUT | NO_BLOCK, free seats | MORE (call again: expired holds are left to collect) | WRONG_EPOCH
]]
--@include event
--@include seats
--@include claim
local holdId, person, kind, quantity, tombstoneMs = ARGV[2], ARGV[3], ARGV[7], tonumber(ARGV[9]), tonumber(ARGV[13])
local bound, seatsPerPerson = tonumber(ARGV[12]), tonumber(ARGV[11])

local used = redis.call('HGET', key('hold:' .. holdId), 'digest')
if used then
  -- The ledger does not keep the input of a hold: after a rebuild it is empty.
  if used ~= '' and used ~= ARGV[4] then return { 'KEY_REUSED', int(now) } end
  return describeHold(holdId)
end

if phase == 'LOBBY' or phase == 'DRAWING' then return { 'SALE_NOT_OPEN', int(now), opened[5] } end
if phase == 'CLOSED' then return { 'SALE_CLOSED', int(now) } end

local entry = redis.call('HGET', key('persons'), person)
local endsAt = entry and redis.call('ZSCORE', key('admitted'), entry)
local isAdmitted = endsAt and now < tonumber(endsAt)
if redis.call('HGET', KEYS[1], 'waitingRoom') == '1' and not isAdmitted then return { 'NOT_ADMITTED', int(now) } end

local function exceedsLimit()
  return tonumber(redis.call('HGET', key('people'), person) or 0) + quantity > seatsPerPerson
end

-- Named seats are judged one by one. Whoever searches, or may have expired holds of their own, needs everything collected first.
if kind ~= 'seats' or exceedsLimit() then
  if expireDue(bound, tombstoneMs) == bound then
    publishSeats()
    return { 'MORE', int(now) }
  end
  if exceedsLimit() then
    publishSeats()
    return { 'PERSON_LIMIT', int(now) }
  end
end

local seats, dead = {}, {}
if kind == 'seats' then
  seats = numbers(ARGV[8])
  local taken
  taken, dead = judgeSeats(seats)
  if #taken > 0 then
    publishSeats()
    return { 'TAKEN', int(now), table.concat(taken, ',') }
  end
else
  local category = ARGV[8]
  local status = redis.call('GET', key('status'))
  local rows = cjson.decode(redis.call('GET', key((kind == 'best' and 'runs:' or 'standing:') .. category)) or '[]')
  local free = 0
  if kind == 'standing' then
    for i = 1, #rows, 2 do
      local at, last = rows[i] + 1, rows[i] + rows[i + 1]
      while #seats < quantity do
        at = string.find(status, '.', at, true)
        if not at or at > last then break end
        seats[#seats + 1] = at - 1
        at = at + 1
      end
    end
    free = #seats
  else
    -- Rows come best first. A block that would leave a single seat behind is taken only if no other block exists.
    local spare
    for i = 1, #rows, 2 do
      local from = rows[i]
      local row = string.sub(status, from + 1, from + rows[i + 1])
      local first, last = string.find(row, '%.+')
      while first do
        local length = last - first + 1
        free = free + length
        if length >= quantity and not seats[1] then
          if length - quantity ~= 1 then
            seats[1] = from + first - 1
          elseif not spare then
            spare = from + first - 1
          end
        end
        if seats[1] then break end
        first, last = string.find(row, '%.+', last + 1)
      end
      if seats[1] then break end
    end
    if not seats[1] and spare then seats[1] = spare end
    if seats[1] then for i = 1, quantity - 1 do seats[i + 1] = seats[1] + i end end
  end
  if #seats < quantity then
    publishSeats()
    if free == 0 then return { 'SOLD_OUT', int(now) } end
    return { 'NO_BLOCK', int(now), int(free) }
  end
end

takeSeats(seats, holdId, dead, 'h', tombstoneMs)
local expiresAt = now + tonumber(ARGV[5])
redis.call('HSET', key('hold:' .. holdId), 'owner', person, 'generation', generation, 'fence', int(version + 1), 'state', 'HELD',
  'seats', table.concat(seats, ','), 'createdAt', int(now), 'expiresAt', int(expiresAt), 'freeAt', int(expiresAt),
  'extensionsEndAt', int(now + tonumber(ARGV[6])), 'digest', ARGV[4], 'prices', ARGV[10])
redis.call('ZADD', key('deadlines'), int(expiresAt), holdId)
redis.call('HINCRBY', key('people'), person, quantity)
redis.call('HINCRBY', key('people'), person .. ':holds', 1)
-- An admission does not end while a hold lives.
if isAdmitted then redis.call('ZADD', key('admitted'), 'XX', 'GT', int(expiresAt), entry) end
publishSeats()
return describeHold(holdId)
