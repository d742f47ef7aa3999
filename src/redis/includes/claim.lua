-- Takes seats that may be free by status, by an expired hold or by a channel whose time has come. `judgeSeats` changes nothing; `takeSeats`
-- follows a judgement without refusals. `letters` are the free letters the claim may have.
local function isOpen(letter, letters)
  if letter == 'x' then return false end
  if string.find(letters, letter, 1, true) then return true end
  local releaseAt = redis.call('HGET', KEYS[1], 'release:' .. letter)
  return releaseAt and releaseAt ~= '' and now >= tonumber(releaseAt)
end

local function judgeSeats(list, letters)
  local taken, dead = {}, {}
  for _, index in ipairs(list) do
    local letter = redis.call('GETRANGE', key('status'), index, index)
    if letter == 'h' then
      local id = redis.call('HGET', key('seats'), index)
      if isDue(readHold(id)) and isOpen(channelOf(index), letters) then dead[id] = true else taken[#taken + 1] = index end
    elseif letter == 's' or letter == 'r' or not isOpen(letter, letters) then
      taken[#taken + 1] = index
    end
  end
  return taken, dead
end

local function takeSeats(list, id, dead, to, tombstoneMs)
  for other in pairs(dead) do expireHold(other, tombstoneMs) end
  moveSeats(list, '.', to)
  local owners = {}
  for i, index in ipairs(list) do owners[2 * i - 1], owners[2 * i] = index, id end
  redis.call('HSET', key('seats'), unpack(owners))
end

-- Gives up to `bound` seats of channels whose time has come to everybody; answers how many: fewer means that none is left.
local function releaseDue(bound)
  -- What moved before does not belong to the message of a channel.
  publishSeats()
  local moved = 0
  for letter in string.gmatch(reserved, '.') do
    local releaseAt = redis.call('HGET', KEYS[1], 'release:' .. letter)
    if releaseAt and releaseAt ~= '' and now >= tonumber(releaseAt) then
      local channels = redis.call('GET', key('channels'))
      local at = string.find(channels, letter, 1, true)
      while at and moved < bound do
        recastSeat(at - 1, '.')
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
