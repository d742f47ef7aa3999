-- Best-available: the rule of domain/best-available.ts over tables that `refit` keeps up to date. Per letter, category and section one
-- character a run, best run first, tells how long a block fits, so that the search is a few scans for a character.
local fitsOf, promised = {}, {}

local function fits(letter, category, section)
  local name = fitsKey(letter, category, section)
  fitsOf[name] = fitsOf[name] or redis.call('GET', name) or ''
  return fitsOf[name]
end

-- The first run in which so many fit; `clean`: without leaving a new single seat.
local function firstFit(text, quantity, clean)
  local first
  for longest = quantity, 22 do
    for another = 0, 1 do
      if not clean or longest == quantity or longest >= quantity + 2 or another == 1 then
        local at = string.find(text, string.char(35 + 2 * longest + another), 1, true)
        if at and (not first or at < first) then first = at end
      end
    end
  end
  return first
end

local function runAt(category, section, at)
  local list = key('order:' .. category .. (section and ':' .. section or ''))
  local number = struct.unpack('>I3', redis.call('GETRANGE', list, (at - 1) * 3, at * 3 - 1))
  local run = readRun(number)
  run.number = number
  run.text = promised[number] or redis.call('GETRANGE', key('status'), run.start, run.start + run.length - 1)
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
local function findBlock(letters, category, section, quantity)
  for letter in string.gmatch(letters, '.') do
    local text = fits(letter, category, section)
    local clean = true
    local at = firstFit(text, quantity, true)
    if not at then
      clean = false
      at = firstFit(text, quantity, false)
    end
    if at then
      local run = runAt(category, section, at)
      local start = place(run, letter, quantity, clean)
      local seats = {}
      for i = 1, quantity do seats[i] = run.start + start + i - 1 end
      return seats, run, letter
    end
  end
end

-- Keeps a block out of what is searched next, without taking it.
local function promise(run, letter, seats)
  local from = seats[1] - run.start
  run.text = string.sub(run.text, 1, from) .. string.rep('h', #seats) .. string.sub(run.text, from + #seats + 1)
  promised[run.number] = run.text
  local code = fitCode(run.text, letter)
  for _, list in ipairs({ { fitsKey(letter, run.category), run.at }, { fitsKey(letter, run.category, run.section), run.atSection } }) do
    local text = fitsOf[list[1]]
    if text then fitsOf[list[1]] = string.sub(text, 1, list[2]) .. code .. string.sub(text, list[2] + 2) end
  end
end

local function splitBlock(letters, category, section, quantity)
  local seats, size = {}, quantity - 1
  while #seats < quantity and size > 0 do
    size = math.min(size, quantity - #seats)
    local block, run, letter = findBlock(letters, category, section, size)
    if block then
      promise(run, letter, block)
      for _, seat in ipairs(block) do seats[#seats + 1] = seat end
    else
      size = size - 1
    end
  end
  fitsOf, promised = {}, {}
  return #seats == quantity and seats or nil
end

-- What is offered where no block is left: pairs of a kind and seats joined by commas.
local function splitOffers(letters, category, section, quantity, categoryCount)
  local offers = {}
  local function offer(kind, seats)
    if not seats then return false end
    offers[#offers + 1] = kind
    offers[#offers + 1] = table.concat(seats, ',')
    return true
  end
  offer('SPLIT', splitBlock(letters, category, section, quantity))
  if section then offer('OTHER_SECTION', (findBlock(letters, category, nil, quantity))) end
  local offered, looked, away = 0, 0, 1
  while offered < 2 and looked < 10 and away < categoryCount do
    for _, other in ipairs({ category + away, category - away }) do
      if offered < 2 and looked < 10 and other >= 0 and other < categoryCount then
        looked = looked + 1
        if offer('OTHER_CATEGORY', (findBlock(letters, other, nil, quantity))) then offered = offered + 1 end
      end
    end
    away = away + 1
  end
  return offers
end

local function standingAreas(category, section)
  return cjson.decode(redis.call('GET', key('standing:' .. category .. (section and ':' .. section or ''))) or '[]')
end

local function freeStanding(letters, category)
  local areas, free = standingAreas(category), 0
  for i = 1, #areas, 2 do
    local _, here = string.gsub(redis.call('GETRANGE', key('status'), areas[i], areas[i] + areas[i + 1] - 1), '[' .. letters .. ']', '')
    free = free + here
  end
  return free
end

-- Free seats of a category, in these letters; in a section those of the first 200 runs that have any.
local function freePlaces(letters, category, section)
  local free = 0
  if not section then
    for letter in string.gmatch(letters, '.') do
      local field = category .. ':' .. letter
      free = free + tonumber(redis.call('HGET', key('counts'), field) or 0) + (countChanges[field] or 0)
    end
    return free - freeStanding(letters, category)
  end
  local runs, counted = redis.call('STRLEN', key('order:' .. category .. ':' .. section)) / 3, 0
  for at = 1, runs do
    local _, here = string.gsub(runAt(category, section, at).text, '[' .. letters .. ']', '')
    if here > 0 then
      free, counted = free + here, counted + 1
      if counted == 200 then break end
    end
  end
  return free
end

-- Neighbouring places of which exactly `accessible` are wheelchair places of the category: the first in the best stretch that has them.
local function findAccessible(letters, category, section, quantity, accessible)
  local stretches = redis.call('GET', key('accessible:' .. category)) or ''
  local open = '[' .. letters .. ']'
  for at = 1, #stretches, 12 do
    local start, length, places, placeCount, ofSection = struct.unpack('>I3I2I3I2I2', stretches, at)
    if (not section or ofSection == section) and placeCount >= accessible and length >= quantity then
      local text = redis.call('GETRANGE', key('status'), start, start + length - 1)
      local from = places - start
      if string.find(string.sub(text, from + 1, from + placeCount), open) then
        for first = 0, length - quantity do
          local covered = math.min(first + quantity, from + placeCount) - math.max(first, from)
          if covered == accessible and not string.find(string.sub(text, first + 1, first + quantity), '[^' .. letters .. ']') then
            local seats = {}
            for i = 1, quantity do seats[i] = start + first + i - 1 end
            return seats
          end
        end
      end
    end
  end
end

-- The first free standing places of a category.
local function findStanding(letters, category, section, quantity)
  local areas, seats = standingAreas(category, section), {}
  for letter in string.gmatch(letters, '.') do
    for i = 1, #areas, 2 do
      local text = redis.call('GETRANGE', key('status'), areas[i], areas[i] + areas[i + 1] - 1)
      local at = string.find(text, letter, 1, true)
      while at and #seats < quantity do
        seats[#seats + 1] = areas[i] + at - 1
        at = string.find(text, letter, at + 1, true)
      end
      if #seats == quantity then return seats end
    end
  end
  return #seats == quantity and seats or nil, #seats
end
