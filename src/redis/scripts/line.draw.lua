--[[
Applies one chunk of the draw: numbers for entries of the lobby in their drawn order. Resumable by anyone: the order is a pure function of
the seed and the list, and only the chunk that comes next is accepted.
KEYS  1 meta
ARGV  1 epoch  2 how many were numbered before this chunk  3… entry ids in drawn order
Result  OK, now, numbered so far, lobby size | NOT_DRAWING | WRONG_EPOCH
]]
--@include event
--@include line
if phase ~= 'DRAWING' then return { 'NOT_DRAWING', int(now) } end
local line = redis.call('HMGET', key('line'), 'drawn', 'lobbySize')
local drawn, lobbySize = tonumber(line[1]), tonumber(line[2])
if drawn == tonumber(ARGV[2]) then
  for i = 3, #ARGV do
    drawn = drawn + 1
    local place = readPlace(ARGV[i])
    -- Who left the lobby before the draw keeps a number nobody waits for.
    if place and place.state == 'W' then
      place.number = drawn
      redis.call('HSET', key('places'), ARGV[i], drawn .. '|' .. place.person .. '|W|' .. place.since)
      redis.call('ZADD', key('present'), drawn, ARGV[i])
      redis.call('SETBIT', key('gone'), drawn, 0)
      audit('drawn', ARGV[i], drawn)
    else
      markGone(drawn)
    end
  end
  redis.call('HSET', key('line'), 'drawn', drawn)
end
local complete = drawn >= lobbySize
if complete then
  phase = 'OPEN'
  redis.call('HSET', KEYS[1], 'phase', phase)
  -- In the background: freeing a large list takes longer than anybody may wait.
  redis.call('UNLINK', key('lobby'))
end
publishLine(complete, complete)
return { 'OK', int(now), int(drawn), int(lobbySize) }
