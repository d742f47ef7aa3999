-- For somebody without an admission. Answers nil where the door is closed: somebody waits who could have what is left, the cap is reached, or
-- the rate is spent. Otherwise the function that lets a person in.
local line = readAdmission()
if phase ~= 'SOLD_OUT' and waitingCount() > 0 then return nil end
if line.tokens < 1000000 or redis.call('ZCARD', key('admitted')) >= line.cap then return nil end

-- Lets the person in on the spot, from the line if they stand in it, and answers the entry; nil if the numbers have run out.
return function(newEntry)
  local mine = redis.call('HGET', key('persons'), person)
  local place = mine and readPlace(mine)
  if place then settlePlace(mine, place) end
  if place and place.state == 'W' and place.number > 0 then
    redis.call('ZREM', key('present'), mine)
    redis.call('ZREM', key('away'), mine)
    redis.call('ZREM', key('awayUntil'), mine)
  else
    local number = nextNumber()
    if not number then
      publishLine(false)
      return nil
    end
    if mine then redis.call('HDEL', key('places'), mine) end
    mine, place = newEntry, { number = number, person = person }
    redis.call('HSET', key('persons'), person, mine)
  end
  spendTokens(line, 1)
  admitPlace(mine, place, clock + line.admissionTtlMs, 'walk')
  publishLine(false)
  return mine
end
