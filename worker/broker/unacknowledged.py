"""The messages that workers have taken and not acknowledged, in Redis: a hash and an index.

Each operation is one Lua script, so no message is ever in neither place: kombu pops a message with
one command and records it with the next ones, and loses it if the worker or the connection dies in
between. The names and the format are kombu's, so that workers of earlier releases can return what
workers of this one hold, and vice versa. The score in the index is a time of Redis's own clock.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.commands.core import Script

from plumbline_client.queues import BULK_QUEUE, EXPRESS_MAX_BYTES, SCORE_QUEUE

# A worker renews its claim to what it holds every RENEW_S. What no worker renewed for LOST_AFTER_S
# returns to its queue: its worker is dead, or no longer connected.
RENEW_S = 10.0
LOST_AFTER_S = 60.0
# Separates a random token from the name of the list in the tags of this module. kombu's tags, which
# workers of earlier releases use, contain none.
MARK = "@"
OVERDUE_LIMIT = 500
# A message with texts of `EXPRESS_MAX_BYTES` is shorter, even if two of three bytes are quoted: it
# is JSON in base64. A longer one belongs to the bulk queue, whatever its producer thinks.
LONG_MESSAGE_BYTES = 4 * EXPRESS_MAX_BYTES
# An entry records in front of its JSON how often it was put back, with blanks, which JSON ignores:
# so the count is known before anything is parsed, and whichever worker died of it. A space is an
# attempt that failed, a newline one that found no PostgreSQL.
FAILED, UNSERVED, UNCOUNTED = " ", "\n", ""
# Of a message that is too large, a worker receives only the end, which holds the headers.
TAIL_BYTES = 8_192

_COMMON = r"""
local unacked, index = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

-- What follows the message in its record, which is kombu's: [message, exchange, routing key].
local function suffix(list)
    return ',"",' .. cjson.encode((string.gsub(list, '\6\22%d+$', ''))) .. ']'
end
-- The words of Redis if it refused a command; Redis 6 puts a line number before them.
local function failed(reply)
    return type(reply) == 'table' and reply.err
        and string.gsub(reply.err, '^@user_script: ?%d+: %-?', '')
end
"""

# KEYS: hash, index, bells. ARGV: the key prefix, token of the new tag or '', the size above which
# only a message's end is returned, the length of that end, the lists in the order in which they are
# read, express queue, bulk queue, the size from which a message of the former belongs to the
# latter, acknowledged tags. Returns the list, the message's size, the message or its end, and how
# many messages the list has left. The lists are one argument, as JSON, because 64 arguments take
# long to send and to read. RPOP comes first because a full Redis refuses HSET and ZADD, but not to
# a script that has written. A bell that is not empty wakes workers; it is emptied once no message
# waits for them.
_TAKE = (
    _COMMON
    + r"""
if #ARGV > 8 then
    local refused = failed(redis.pcall('ZREM', index, unpack(ARGV, 9)))
    if refused then
        return redis.error_reply(refused)
    end
    redis.call('HDEL', unacked, unpack(ARGV, 9))
end
if ARGV[2] == '' then
    return false
end
local prefix, express, bulk = ARGV[1], ARGV[6], ARGV[7]
local function rest_of(list)
    local rest = string.sub(list, #express + 1)
    local separator = string.sub(rest, 1, 1)
    if string.sub(list, 1, #express) == express
        and (separator == '' or separator == '@' or separator == '\6') then
        return rest
    end
end
-- Whether a message was moved to the bulk queue.
local function moved(list, message)
    if #message < tonumber(ARGV[8]) or not rest_of(list) then
        return false
    end
    local target = prefix .. bulk .. rest_of(list)
    if failed(redis.pcall('LPUSH', target, message)) then
        return false
    end
    redis.pcall('LPUSH', prefix .. bulk .. '#bell', '')
    return true
end
local failure = false
for _, list in ipairs(cjson.decode(ARGV[5])) do
    local key = prefix .. list
    local message = redis.pcall('RPOP', key)
    local moves = 0
    while message and not failed(message) and moved(list, message) do
        moves = moves + 1
        message = moves < 16 and redis.pcall('RPOP', key)
    end
    if message and failed(message) then
        failure = failure or redis.error_reply(failed(message))
    elseif message then
        local tag = ARGV[2] .. '@' .. list
        local recorded = redis.pcall('HSET', unacked, tag, '[' .. message .. suffix(list))
        if not failed(recorded) then
            recorded = redis.pcall('ZADD', index, now, tag)
        end
        if failed(recorded) then
            redis.pcall('HDEL', unacked, tag)
            redis.call('RPUSH', key, message)
            return redis.error_reply(failed(recorded))
        end
        for bell = 3, #KEYS do
            redis.pcall('LTRIM', KEYS[bell], 0, 0)
        end
        local size = #message
        if size > tonumber(ARGV[3]) then
            message = string.sub(message, -tonumber(ARGV[4]))
        end
        return {list, size, message, redis.call('LLEN', key)}
    end
end
for bell = 3, #KEYS do
    redis.pcall('DEL', KEYS[bell])
end
return failure
"""
)

# KEYS: hash, index, list. ARGV: the list, token of the new tags, the size of each message, how many
# to take. Returns the messages that follow, up to the first one of another size.
_TAKE_MORE = (
    _COMMON
    + r"""
local taken = {}
for number = 1, tonumber(ARGV[4]) do
    local following = redis.pcall('LRANGE', KEYS[3], -1, -1)
    if failed(following) or not following[1] or #following[1] ~= tonumber(ARGV[3]) then
        break
    end
    local message, tag = redis.call('RPOP', KEYS[3]), ARGV[2] .. number .. '@' .. ARGV[1]
    local recorded = redis.pcall('HSET', unacked, tag, '[' .. message .. suffix(ARGV[1]))
    if not failed(recorded) then
        recorded = redis.pcall('ZADD', index, now, tag)
    end
    if failed(recorded) then
        redis.pcall('HDEL', unacked, tag)
        redis.call('RPUSH', KEYS[3], message)
        break
    end
    taken[number] = message
end
return taken
"""
)

# KEYS: hash, index, the list of each tag. ARGV: 'RPUSH' (read next) or 'LPUSH' (read last), the
# least age in seconds, the blank that counts the return or '', the tags. Returns the number of
# messages that returned. ZREM comes first, as RPOP does above. The record is deleted last, so that
# a list of another type loses no message. Blanks beyond 64 would count nothing more.
_RETURN = (
    _COMMON
    + r"""
local refused = failed(redis.pcall('ZREM', index, ''))
if refused then
    return redis.error_reply(refused)
end
local returned, failure = 0, false
for position = 4, #ARGV do
    local tag = ARGV[position]
    local claimed = redis.call('ZSCORE', index, tag)
    if not claimed or now - claimed >= tonumber(ARGV[2]) then
        local record = redis.call('HGET', unacked, tag)
        redis.call('ZREM', index, tag)
        if record then
            local list = string.match(tag, '@(.*)$')
            local message = string.sub(record, 2, #record - #suffix(list))
            if #string.match(message, '^[ \n]*') < 64 then
                message = ARGV[3] .. message
            end
            local pushed = redis.pcall(ARGV[1], KEYS[position - 1], message)
            if failed(pushed) then
                redis.call('ZADD', index, now, tag)
                failure = failure or redis.error_reply(failed(pushed))
            else
                redis.call('HDEL', unacked, tag)
                returned = returned + 1
            end
        end
    end
end
return failure or returned
"""
)

# ARGV: age in seconds after which a claim counts as lost, limit, the tags that this worker holds.
# Returns Redis's time and the overdue tags with their scores. A claim in the future, from a worker
# or a Redis whose clock was ahead, starts anew, since it would never become overdue.
_RENEW = (
    _COMMON
    + r"""
local refused = failed(redis.pcall('ZREM', index, ''))
if refused then
    return redis.error_reply(refused)
end
for position = 3, #ARGV do
    redis.call('ZADD', index, 'XX', now, ARGV[position])
end
for _, tag in ipairs(redis.call('ZRANGEBYSCORE', index, now + 1, '+inf', 'LIMIT', 0, ARGV[2])) do
    redis.call('ZADD', index, 'XX', now, tag)
end
local overdue = redis.call('ZRANGEBYSCORE', index, '-inf', now - ARGV[1], 'WITHSCORES',
    'LIMIT', 0, ARGV[2])
return {tostring(now), overdue}
"""
)

# Replaces a record of an earlier release, which holds ARGV[2] under the tag ARGV[1], by ARGV[3] in
# KEYS[3]; without ARGV[3], deletes it.
_REPLACE = (
    _COMMON
    + r"""
if redis.call('HGET', unacked, ARGV[1]) ~= ARGV[2] then
    return 0
end
local refused = failed(redis.pcall('ZREM', index, ARGV[1]))
if refused then
    return redis.error_reply(refused)
end
if ARGV[3] then
    local pushed = redis.pcall('RPUSH', KEYS[3], ARGV[3])
    if failed(pushed) then
        redis.call('ZADD', index, now, ARGV[1])
        return redis.error_reply(failed(pushed))
    end
end
redis.call('HDEL', unacked, ARGV[1])
return 1
"""
)


@dataclass(slots=True)
class Taken:
    """A message as it was in its list. `list_name` is a queue, or one of its priorities.

    `left` is how many messages the list had left. Of a message that is too large, `message` is only
    the end of its `size` bytes. It is emptied once it is read, so that a large message is in memory
    only once.
    """

    tag: str
    list_name: str
    message: bytes
    size: int
    left: int = 0


@dataclass(frozen=True, slots=True)
class Overdue:
    """The tag of a message that nobody renewed for `age_s`."""

    tag: str
    age_s: float


def is_own_tag(tag: Any) -> bool:
    """Return whether a delivery tag is of this module, not one of kombu's."""
    return isinstance(tag, str) and MARK in tag


class Unacknowledged:
    """Operations on the hash and the index. Names of lists are without the key prefix.

    Each raises the errors of redis-py. An operation that Redis refuses has changed nothing.
    """

    def __init__(self, connection: redis.Redis, prefix: str, unacked: str, index: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._keys = [prefix + unacked, prefix + index]
        self._take, self._take_more, self._return, self._renew, self._replace = (
            Script(connection, source) for source in (_TAKE, _TAKE_MORE, _RETURN, _RENEW, _REPLACE)
        )

    def take(
        self,
        lists: Sequence[str],
        acknowledged: Sequence[str] = (),
        bells: Sequence[str] = (),
        *,
        max_bytes: int = sys.maxsize,
    ) -> Taken | None:
        """Take the first message of the first list that has one; None if all are empty.

        In the same step, forget the messages with the tags `acknowledged`, and empty the `bells` if
        all lists are empty.
        """
        token = uuid.uuid4().hex
        keys = [*self._keys, *(self._prefix + name for name in bells)]
        options = self._options(token, max_bytes, lists)
        reply = self._run(self._take, keys, [*options, *acknowledged])
        if not reply:
            return None
        list_name, size, message, left = reply
        name = list_name.decode()
        return Taken(token + MARK + name, name, message, size, left)

    def take_more(self, taken: Taken, most: int) -> list[Taken]:
        """Take the messages that follow in the same list, up to the first one of another size."""
        token, name = uuid.uuid4().hex + "-", taken.list_name
        keys = [*self._keys, self._prefix + name]
        messages = self._run(self._take_more, keys, [name, token, taken.size, most])
        return [
            Taken(f"{token}{number}{MARK}{name}", name, message, len(message))
            for number, message in enumerate(messages, 1)
        ]

    def acknowledge(self, tags: Sequence[str]) -> None:
        """Forget the messages, which are processed."""
        self._run(self._take, self._keys, [*self._options(), *tags])

    def _options(
        self, token: str = "", max_bytes: int = sys.maxsize, lists: Sequence[str] = ()
    ) -> list[int | str]:
        queues: list[int | str] = [SCORE_QUEUE, BULK_QUEUE, LONG_MESSAGE_BYTES]
        return [self._prefix, token, max_bytes, TAIL_BYTES, json.dumps(lists), *queues]

    def return_to_queues(
        self,
        tags: Sequence[str],
        *,
        read_next: bool,
        least_age_s: float = 0.0,
        count_as: str = UNCOUNTED,
    ) -> int:
        """Return messages to their lists, to be read next or last. Return how many there were."""
        lists = [self._prefix + tag.partition(MARK)[2] for tag in tags]
        side = "RPUSH" if read_next else "LPUSH"
        arguments = [side, least_age_s, count_as, *tags]
        returned = self._run(self._return, [*self._keys, *lists], arguments)
        return int(returned)

    def renew(self, tags: Sequence[str]) -> list[Overdue]:
        """Renew the claims to these messages. Return the claims that nobody renews."""
        now, pairs = self._run(self._renew, self._keys, [LOST_AFTER_S, OVERDUE_LIMIT, *tags])
        return [
            Overdue(tag.decode(), float(now) - float(score))
            for tag, score in zip(pairs[::2], pairs[1::2], strict=True)
        ]

    def record(self, tag: str) -> bytes | None:
        """Return the record of a message, whose format is kombu's."""
        record: bytes | None = self._connection.hget(self._keys[0], tag)  # type: ignore[assignment]
        return record

    def replace(self, tag: str, record: bytes, list_name: str, message: str) -> None:
        """Append a message of an earlier release to a list, to be read next."""
        keys = [*self._keys, self._prefix + list_name]
        self._run(self._replace, keys, [tag, record, message])

    def delete(self, tag: str, record: bytes) -> None:
        """Delete a record of an earlier release that cannot be read."""
        self._run(self._replace, self._keys, [tag, record])

    def forget_index(self, tag: str) -> None:
        """Delete an entry of the index without a record."""
        self._connection.zrem(self._keys[1], tag)

    def disconnect(self) -> None:
        """Close the connections. The next operation connects again, to whichever server it is."""
        self._connection.connection_pool.disconnect()

    def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        # Not `script()`, which sends SCRIPT LOAD: a user may have the right to run scripts only.
        try:
            return self._connection.evalsha(script.sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            source: Any = script.script
            return self._connection.eval(source, len(keys), *keys, *arguments)
