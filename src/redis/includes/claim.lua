-- Takes seats that may be free by status or by an expired hold. `judgeSeats` changes nothing; `takeSeats` follows a judgement
-- without refusals.
local function judgeSeats(list)
  local taken, dead = {}, {}
  for _, index in ipairs(list) do
    local letter = redis.call('GETRANGE', key('status'), index, index)
    if letter == 'h' then
      local id = redis.call('HGET', key('seats'), index)
      local hold = redis.call('HMGET', key('hold:' .. id), 'state', 'freeAt')
      if (hold[1] == 'HELD' or hold[1] == 'CHECKOUT') and now >= tonumber(hold[2]) then
        dead[id] = true
      else
        taken[#taken + 1] = index
      end
    elseif letter ~= '.' then
      taken[#taken + 1] = index
    end
  end
  return taken, dead
end

local function takeSeats(list, id, dead, to, tombstoneMs)
  for other in pairs(dead) do expireHold(other, tombstoneMs) end
  for _, index in ipairs(list) do
    moveSeat(index, '.', to)
    redis.call('HSET', key('seats'), index, id)
  end
end
