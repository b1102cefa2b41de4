/* The scripts that change the store. Redis runs one at a time and whole; an error inside would
 * leave the first half, so each one checks first and then uses only commands that cannot fail on
 * our own types. Every one compares the holder for equality: that is the fence. */
#include "head/shell/store_inside.h"

/* KEYS[1] meta; ARGV: holder, n, count of keys to look at, for each of them {types that it may be
 * of, key}, then groups {command, key, count of values, values...}.
 * {"OK"}: applied or known already; {"FENCED", who}; {"GAP", the number the store is at};
 * {"TYPE", key, type}: the key is somebody else's, and nothing of the batch was written.
 * Who may not ask for types is served without that look. 2,000 values a call: Lua's unpack() ends
 * at about 8,000, and pairs must not be torn. */
const char *const store_script_batch =
    "local held = redis.call('HMGET', KEYS[1], 'holder', 'n', 'active')\n"
    "if held[1] ~= ARGV[1] then return {'FENCED', held[3] or ''} end\n"
    "local last, n = tonumber(held[2] or '0'), tonumber(ARGV[2])\n"
    "if n == last then return {'OK'} end\n"
    "if n ~= last + 1 then return {'GAP', held[2] or '0'} end\n"
    "local i = 4\n"
    "for _ = 1, tonumber(ARGV[3]) do\n"
    "  local kind = redis.pcall('TYPE', ARGV[i + 1]).ok\n"
    "  if kind and not string.find(ARGV[i], kind, 1, true) then\n"
    "    return {'TYPE', ARGV[i + 1], kind}\n"
    "  end\n"
    "  i = i + 2\n"
    "end\n"
    "while i <= #ARGV do\n"
    "  local command, key, count = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])\n"
    "  i = i + 3\n"
    "  if count == 0 then redis.call(command, key) end\n"
    "  local stop = i + count - 1\n"
    "  while i <= stop do\n"
    "    local last_of_call = math.min(i + 1999, stop)\n"
    "    redis.call(command, key, unpack(ARGV, i, last_of_call))\n"
    "    i = last_of_call + 1\n"
    "  end\n"
    "end\n"
    "redis.call('HSET', KEYS[1], 'n', ARGV[2])\n"
    "return {'OK'}\n";

/* KEYS[1] meta; ARGV: our holder, Unix seconds, our name, then the holder, beat and n that must
 * still stand there ("" "" "": take over whatever stands there), our owner.
 * {"OK", epoch, n} -- the same again when a lost reply makes us ask twice; {"MOVED", who};
 * {"LOST", n}: the store is at an earlier batch than `tested` says. */
const char *const store_script_take =
    "local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch', 'n', 'beat', 'active', "
    "'tested')\n"
    "local n = held[3] or '0'\n"
    "if tonumber(n) < tonumber(held[6] or '0') then return {'LOST', n} end\n"
    "if held[1] == ARGV[1] then return {'OK', held[2], n} end\n"
    "if held[1] and held[1] ~= '' and ARGV[4] ~= '' then\n"
    "  if held[1] ~= ARGV[4] or (held[4] or '0') ~= ARGV[5] or n ~= ARGV[6] then\n"
    "    return {'MOVED', held[5] or ''}\n"
    "  end\n"
    "end\n"
    "local epoch = math.max(tonumber(held[2] or '0') + 1, tonumber(ARGV[2]))\n"
    "epoch = string.format('%.0f', epoch)\n"
    "redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'epoch', epoch, 'n', n, 'active', ARGV[3], "
    "'owner', "
    "ARGV[7])\n"
    "return {'OK', epoch, n}\n";

/* KEYS[1] meta; ARGV: holder, n. A script with one write stands alone in Redis' file, one with
 * several stands between MULTI and EXEC. A server whose default user lacks rights replays the first
 * kind and silently drops the second; then n is behind this field, and a take-over says so. */
const char *const store_script_tested =
    "local held = redis.call('HMGET', KEYS[1], 'holder', 'active')\n"
    "if held[1] ~= ARGV[1] then return {'FENCED', held[2] or ''} end\n"
    "redis.call('HSET', KEYS[1], 'tested', ARGV[2])\n"
    "return {'OK'}\n";

/* KEYS[1] meta; ARGV: holder. */
const char *const store_script_beat =
    "local held = redis.call('HMGET', KEYS[1], 'holder', 'active')\n"
    "if held[1] ~= ARGV[1] then return {'FENCED', held[2] or ''} end\n"
    "redis.call('HINCRBY', KEYS[1], 'beat', 1)\n"
    "return {'OK'}\n";

/* KEYS[1] meta; ARGV: holder. */
const char *const store_script_release =
    "if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return {'FENCED', ''} end\n"
    "redis.call('HSET', KEYS[1], 'holder', '', 'active', '')\n"
    "return {'OK'}\n";

/* KEYS[1] meta; ARGV: prefix. {} or {key, type} of the first key that is not of our kind. */
const char *const store_script_types =
    "for _, name in ipairs({'meta', 'sweeps', 'jobs', 'tasks', 'chunks', 'nodes', 'attempts', "
    "'users'}) do\n"
    "  local key = ARGV[1] .. ':' .. name\n"
    "  local kind = redis.call('TYPE', key).ok\n"
    "  if kind ~= 'none' and kind ~= 'hash' then return {key, kind} end\n"
    "end\n"
    "return {}\n";
