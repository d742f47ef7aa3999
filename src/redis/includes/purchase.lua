-- What a claim must satisfy besides its seats: an admission, and the limits of its person.

-- Whether somebody may come in without having joined: nobody waits, or nothing is left that those who wait could have.
local function isDoorOpen(line)
  if phase ~= 'SOLD_OUT' and waitingCount() > 0 then return false end
  return line.tokens >= 1000000 and redis.call('ZCARD', key('admitted')) < line.cap
end

-- Lets a person in on the spot, from the line if they stand in it, and answers the entry; nil if the numbers have run out.
local function walkIn(line, person, newEntry)
  local entry = redis.call('HGET', key('persons'), person)
  local place = entry and readPlace(entry)
  if place then settlePlace(entry, place) end
  if place and place.state == 'W' and place.number > 0 then
    redis.call('ZREM', key('present'), entry)
    redis.call('ZREM', key('away'), entry)
    redis.call('ZREM', key('awayUntil'), entry)
  else
    local number = nextNumber()
    if not number then return nil end
    if entry then redis.call('HDEL', key('places'), entry) end
    entry, place = newEntry, { number = number, person = person }
    redis.call('HSET', key('persons'), person, entry)
  end
  spendTokens(line, 1)
  admitPlace(entry, place, clock + line.admissionTtlMs, 'walk')
  return entry
end

-- Nil, or why a person may not have `more` seats: a code and its value.
local function overLimit(person, more, seatsPerPerson, budget)
  local spent, holding, seats = spentBy(person)
  if seats + more > seatsPerPerson then return 'PERSON_LIMIT', '' end
  if spent + holding >= budget then return 'HOARDING', int(math.ceil((spent + holding - budget + 1) / refillPerMs)) end
end
