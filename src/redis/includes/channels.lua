-- Which seats may be had by whom.
local function channelOf(index) return redis.call('GETRANGE', key('channels'), index, index) end

-- The seat moves to another channel, in whatever state it is.
local function recastSeat(index, to)
  local from = channelOf(index)
  if from == to then return end
  redis.call('SETRANGE', key('channels'), index, to)
  local letter = redis.call('GETRANGE', key('status'), index, index)
  castOff[from] = true
  touchRuns(index, index)
  if letter == from then
    local category = string.byte(redis.call('GETRANGE', key('categories'), index, index)) - 33
    countMove(category .. ':', from, to)
    countMove('*:', from, to)
    addCount('@' .. from .. ':' .. from, -1)
    addCount('@' .. to .. ':' .. to, 1)
    redis.call('SETRANGE', key('status'), index, to)
    return noteLetter(index, to)
  end
  local counted = letter
  if letter == 'h' and redis.call('HGET', key('hold:' .. redis.call('HGET', key('seats'), index)), 'state') == 'ISSUING' then counted = 'i' end
  addCount('@' .. from .. ':' .. counted, -1)
  addCount('@' .. to .. ':' .. counted, 1)
  noteLetter(index, letter)
end
