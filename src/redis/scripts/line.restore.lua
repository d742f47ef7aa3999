--[[
Puts places back that the platform itself has given and signed before Redis was lost: under the same id and number, while the line is being
recovered. An admission counts at once as long as there is room under the cap; otherwise its owner waits at the head. Whoever has a place
already keeps the one with the lower number.
KEYS  1 meta
ARGV  1 epoch  2 process that serves them, or '@' for somebody who asked  3 presence of a poll in ms  4 entries at most, then for each:
      entry, person, number (0: in the lobby), state W | A, since, instant at which the admission ends by the clock of the sale
Result  OK, now, how many were put back, then per entry: 1 put back | 0 not | WRONG_EPOCH
]]
--@include event
--@include line
--@include admission
local restored, answers = 0, {}

-- A number of before can be given once more, to the one who had it.
local function isFree(number) return number == 0 or redis.call('GETBIT', key('issued'), int(number)) == 0 end

local function restore(entry, person, number, state, since, endsAt)
  local known = redis.call('HGET', key('persons'), person)
  local place = known and readPlace(known)
  if place then settlePlace(known, place) end
  if known == entry then return place.state == 'W' or place.state == 'A' end
  if not recovering or not isFree(number) or redis.call('HEXISTS', key('places'), entry) == 1 then return false end
  if number > tonumber(redis.call('HGET', key('line'), 'oldNumbers')) then return false end
  if number == 0 and phase ~= 'LOBBY' then return false end
  if place and place.state == 'A' then return false end
  if place and place.state == 'W' then
    if place.number <= number then return false end
    endPlace(known, place, 'L')
  end
  redis.call('HSET', key('persons'), person, entry)
  redis.call('HSET', key('attached'), entry, ARGV[2] == '@' and '@' .. int(clock + tonumber(ARGV[3])) or ARGV[2])
  place = { number = number, person = person, state = 'W', since = since }
  if number > 0 then redis.call('SETBIT', key('issued'), int(number), 1) end
  if state == 'A' and endsAt > clock and redis.call('ZCARD', key('admitted')) < tonumber(redis.call('HGET', key('line'), 'cap')) then
    audit('join', entry, int(number))
    admitPlace(entry, place, endsAt, 'back')
    return true
  end
  redis.call('HSET', key('places'), entry, int(number) .. '|' .. person .. '|W|' .. since)
  movedEntries[#movedEntries + 1] = '"' .. entry .. '"'
  if number == 0 then
    redis.call('ZADD', key('lobby'), redis.call('HINCRBY', key('line'), 'lobbySerial', 1), entry)
  else
    redis.call('ZADD', key('present'), int(number), entry)
    -- Whoever was admitted before counted as gone for those behind, who were told so.
    if state == 'W' then redis.call('SETBIT', key('gone'), int(number), 0) end
  end
  audit('join', entry, int(number))
  return true
end

for i = 5, #ARGV, 6 do
  local done = waitingCount() < tonumber(ARGV[4]) and restore(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4], tonumber(ARGV[i + 5]))
  if done then restored = restored + 1 end
  answers[#answers + 1] = done and 1 or 0
end
publishLine(false)
return { 'OK', int(now), int(restored), unpack(answers) }
