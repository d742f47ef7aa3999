--[[
Puts seats into a channel, in whatever state they are: who has one keeps it, and when it comes back it is the channel's.
KEYS  1 meta
ARGV  1 epoch  2 letter: . everybody's, A to Z a channel's, x nobody's  3 instant from which the channel's seats are everybody's, or ''
      4 seat indexes joined by commas
Result  OK, now | WRONG_EPOCH
]]
--@include event
--@include seats
--@include channels
local letter = ARGV[2]
if letter ~= '.' then redis.call('HSET', KEYS[1], 'hasChannels', 1) end
if string.find(letter, '%u') then
  if ARGV[4] ~= '' and not string.find(reserved, letter, 1, true) then
    reserved = reserved .. letter
    redis.call('HSET', KEYS[1], 'reserved', reserved)
  end
  redis.call('HSET', KEYS[1], 'release:' .. letter, ARGV[3])
end
for _, index in ipairs(numbers(ARGV[4])) do recastSeat(index, letter) end
publishSeats(letter)
return { 'OK', int(now) }
