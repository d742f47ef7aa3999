-- Best-available: the rule of domain/best-available.ts over tables that `refit` keeps up to date. Per letter, category and section one
-- character a run, best run first, tells how long a block fits, so that the search is a few scans for a character.
local fitsOf, runsAt = {}, {}

local function fits(letter, category, section)
  local name = fitsKey(letter, category, section)
  fitsOf[name] = fitsOf[name] or redis.call('GET', name) or ''
  return fitsOf[name]
end

-- The first run in which so many fit without leaving a new single seat, otherwise the first in which they fit at all; and which of both.
-- `most`: no block is longer.
local function firstFit(text, quantity, most)
  local clean, any
  for longest = quantity, most do
    for another = 0, 1 do
      local at = string.find(text, string.char(35 + 2 * longest + another), 1, true)
      if at and longest == quantity + 1 and another == 0 then any = at
      elseif at and (not clean or at < clean) then clean = at end
    end
  end
  return clean or any, clean ~= nil
end

local function runAt(category, section, at)
  local list = key('order:' .. category .. (section and ':' .. section or ''))
  local run = runsAt[list .. at]
  if not run then
    run = readRun(struct.unpack('>I3', redis.call('GETRANGE', list, (at - 1) * 3, at * 3 - 1)))
    run.text = redis.call('GETRANGE', key('status'), run.start, run.start + run.length - 1)
    runsAt[list .. at] = run
  end
  return run
end

-- The block of a run nearest to the focal point, the lower one of two, as offset of its first seat. Only two places of a block can leave a
-- single seat, so a few around the nearest are enough to look at.
local function place(run, letter, quantity, clean)
  local best, bestAway
  local pattern = (letter == '.' and '%.' or letter) .. '+'
  local first, last = string.find(run.text, pattern)
  while first do
    local low, high = first - 1, last - quantity
    local near = math.max(low, math.min(high, math.floor(run.focus - (quantity - 1) / 2)))
    for start = math.max(low, near - 2), math.min(high, near + 3) do
      if not clean or (start - low ~= 1 and high - start ~= 1) then
        local away = math.abs(2 * start + quantity - 1 - 2 * run.focus)
        if not bestAway or away < bestAway then best, bestAway = start, away end
      end
    end
    first, last = string.find(run.text, pattern, last + 1)
  end
  return best
end

-- Seats of the best block, its run and letter; or nil.
local function findBlock(letters, category, section, quantity, most)
  for letter in string.gmatch(letters, '.') do
    local at, clean = firstFit(fits(letter, category, section), quantity, most or 22)
    if at then
      local run = runAt(category, section, at)
      local start = place(run, letter, quantity, clean)
      local seats = {}
      for i = 1, quantity do seats[i] = run.start + start + i - 1 end
      return seats, run, letter
    end
  end
end

-- What is asked for less often, or only when no block is left. Its functions are made when it runs: making so many costs as much as a claim.
local function searchFurther(letters, kind, category, section, quantity, accessible, categoryCount)
  --@include search
  return search()
end

-- The seats of a wish that names none; or nil and the refusal.
local function choose(letters, kind, category, section, quantity, accessible, categoryCount)
  local seats = kind == 'best' and findBlock(letters, category, section, quantity)
  if seats then return seats end
  return searchFurther(letters, kind, category, section, quantity, accessible, categoryCount)
end
