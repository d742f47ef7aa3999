-- Takes seats that may be free by status, by an expired hold or by a channel whose time has come. `judgeSeats` changes nothing; `takeSeats`
-- follows a judgement without refusals. `letters` are the free letters the claim may have.
local made
-- What is over is seldom met, and making the functions that collect it costs half as much as a claim: they are made when one is needed.
local function collector()
  if not made then
    --@include holds
    --@include channels
    made = { readHold = readHold, isDue = isDue, expireHold = expireHold, describeHold = describeHold, channelOf = channelOf, recastSeat = recastSeat }
  end
  return made
end

local function isReleased(letter)
  local releaseAt = redis.call('HGET', KEYS[1], 'release:' .. letter)
  return releaseAt and releaseAt ~= '' and now >= tonumber(releaseAt)
end

local function isOpen(letter, letters) return letter ~= 'x' and (string.find(letters, letter, 1, true) or isReleased(letter)) end

local function judgeSeats(list, letters)
  local taken, dead = {}, {}
  for _, index in ipairs(list) do
    local letter = redis.call('GETRANGE', key('status'), index, index)
    if letter == 'h' then
      local id, others = redis.call('HGET', key('seats'), index), collector()
      if others.isDue(others.readHold(id)) and isOpen(others.channelOf(index), letters) then dead[id] = true else taken[#taken + 1] = index end
    elseif letter == 's' or letter == 'r' or not isOpen(letter, letters) then
      taken[#taken + 1] = index
    end
  end
  return taken, dead
end

local function takeSeats(list, id, dead, to, tombstoneMs)
  for other in pairs(dead) do collector().expireHold(other, tombstoneMs) end
  moveSeats(list, '.', to)
  local owners = {}
  for i, index in ipairs(list) do owners[2 * i - 1], owners[2 * i] = index, id end
  redis.call('HSET', key('seats'), unpack(owners))
end

local function expireFrom(queue, instant, bound, tombstoneMs)
  local due = redis.call('ZRANGEBYSCORE', key(queue), '-inf', int(instant), 'LIMIT', 0, bound)
  for _, id in ipairs(due) do
    -- What cannot be ended must not be met again, or whoever collects until nothing is left would never be done.
    if not collector().expireHold(id, tombstoneMs) then redis.call('ZREM', key(queue), id) end
  end
  return #due
end

-- Ends up to `bound` holds that are due; answers how many were: fewer than `bound` means that nothing expired is left.
local function expireDue(bound, tombstoneMs)
  local ended = expireFrom('deadlines', clock, bound, tombstoneMs)
  if ended < bound then ended = ended + expireFrom('payments', now, bound - ended, tombstoneMs) end
  return ended
end

-- Gives up to `bound` seats of channels whose time has come to everybody; answers how many: fewer means that none is left.
local function releaseDue(bound)
  -- What moved before does not belong to the message of a channel.
  publishSeats()
  local moved = 0
  for letter in string.gmatch(reserved, '.') do
    if isReleased(letter) then
      local channels = redis.call('GET', key('channels'))
      local at = string.find(channels, letter, 1, true)
      while at and moved < bound do
        collector().recastSeat(at - 1, '.')
        moved = moved + 1
        at = string.find(channels, letter, at + 1, true)
      end
      publishSeats('.')
      if at then return moved end
      reserved = string.gsub(reserved, letter, '')
      redis.call('HSET', KEYS[1], 'reserved', reserved)
    end
  end
  return moved
end
