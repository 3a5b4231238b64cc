-- Writes all rows, or none when one of them is not the one that was read; then answers what they are.
-- KEYS: the rows. ARGV: the stamp, then for each row: the stamp that was read, how long it is kept, the record.
-- Kept "" leaves it as it is, "0" deletes it.
local rows = redis.call('MGET', unpack(KEYS))
for i = 1, #KEYS do
  local seen = rows[i] and string.sub(rows[i], 1, 16) or ''
  if seen ~= ARGV[i * 3 - 1] then return rows end
end
for i = 1, #KEYS do
  local kept = ARGV[i * 3]
  if kept == '0' then
    redis.call('DEL', KEYS[i])
  elseif kept ~= '' then
    redis.call('SET', KEYS[i], ARGV[1] .. ARGV[i * 3 + 1], 'PX', kept)
  end
end
return 1
