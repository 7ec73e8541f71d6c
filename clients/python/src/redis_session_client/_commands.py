"""The module's commands on keys, as generators of commands: written once, for sync and async."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import _arguments as arguments
from ._arguments import KEEP, Argument, Key, Policy, Seconds, Timeout, Until, User, Whose
from ._drive import Command, Steps
from ._replies import at, mapping, named, text

Value: TypeAlias = str | bytes
#: Values of raw fields, by name.
Fields: TypeAlias = Mapping[Any, Any]
#: A JSON object: text, or a mapping that is made text.
JSONObject: TypeAlias = str | bytes | Mapping[str, Any]
#: A cap on the user's sessions, and what happens to one more.
MaxSessions: TypeAlias = tuple[int, Policy]


@dataclass(frozen=True)
class Write:
    """What SET, NEW and ROTATE may change."""

    user: Whose = KEEP
    idle: Timeout = KEEP
    lifetime: Timeout = KEEP
    expires_at: Until = KEEP
    max_sessions: MaxSessions | None = None
    unset: Iterable[Key] = ()
    fields: Fields | None = None
    json: JSONObject | None = None

    def arguments(self) -> list[Argument]:
        """As a command has them."""
        out = arguments.whose(self.user) + arguments.times(self.idle, self.lifetime, self.expires_at)
        if self.max_sessions is not None:
            out += arguments.room(*self.max_sessions)
        out += arguments.counted("UNSET", self.unset) + arguments.fields(self.fields or {})
        if self.json is not None:
            out += ["JSON", self.json if isinstance(self.json, (str, bytes)) else _json(self.json)]
        return out


def set_(
    key: Key, write: Write, *, nx: bool, xx: bool, ifversion: int | None, replace: bool, keepttl: bool
) -> Steps[int | None]:
    args: list[Argument] = ["SESSION.SET", key]
    args += (["NX"] if nx else []) + (["XX"] if xx else []) + _ifversion(ifversion)
    args += (["REPLACE"] if replace else []) + (["KEEPTTL"] if keepttl else []) + write.arguments()
    version: int | None = yield _conditional(tuple(args), key, repeat=not nx and ifversion is None)
    return version


def new(prefix: Key, write: Write) -> Steps[str]:
    head: list[Argument] = ["SESSION.NEW", *(["PREFIX", prefix] if prefix else [])]
    return text((yield Command((*head, *write.arguments()), repeat=False)))


def get(key: Key, fields: Iterable[Key] | None) -> Steps[Any]:
    return _shaped((yield Command(("SESSION.GET", key, *_wanted(fields)))), fields)


def getex(key: Key, idle: Timeout, fields: Iterable[Key] | None) -> Steps[Any]:
    return _shaped((yield Command(("SESSION.GETEX", key, *arguments.times(idle), *_wanted(fields)))), fields)


def get_json(name: str, key: Key, idle: Timeout, fields: Iterable[Key] | None) -> Steps[dict[str, Any] | None]:
    reply = yield Command((name, key, *arguments.times(idle), "JSON", *_wanted(fields)))
    return None if reply is None else json.loads(reply)


def touch(keys: tuple[Key, ...]) -> Steps[int]:
    count: int = yield Command(("SESSION.TOUCH", *keys))
    return count


def adjust(key: Key, idle: Timeout, lifetime: Timeout, expires_at: Until) -> Steps[bool]:
    times = arguments.times(idle, lifetime, expires_at)
    if not times:
        raise ValueError("adjust wants a time to change")
    return bool((yield Command(("SESSION.ADJUST", key, *times))))


def byuser(user: User, limit: tuple[int, int] | None) -> Steps[list[Any]]:
    replies = yield Command(("SESSION.BYUSER", user, *_limit(limit)), everywhere=True)
    return [key for reply in replies for key in reply]


def byuser_info(user: User, fields: Iterable[Key], limit: tuple[int, int] | None) -> Steps[list[dict[str, Any]]]:
    args = ("SESSION.BYUSER", user, "WITHMETA", *arguments.counted("FIELDS", fields), *_limit(limit))
    replies = yield Command(args, everywhere=True)
    rows = [_dated(named(row)) for reply in replies for row in reply]
    # Of several primaries each has sorted its own.
    return sorted(rows, key=lambda row: row["accessed"], reverse=True)


def count(user: User) -> Steps[int]:
    return sum((yield Command(("SESSION.COUNT", user), everywhere=True)))


def delete(keys: tuple[Key, ...]) -> Steps[int]:
    ended: int = yield Command(("SESSION.DEL", *keys))
    return ended


def revoke(user: User, keep: Iterable[Key], only: Iterable[Key]) -> Steps[int]:
    kept, chosen = arguments.counted("EXCEPT", keep), arguments.counted("ONLY", only)
    if kept and chosen:
        raise ValueError("revoke takes `keep` or `only`, not both")
    return sum((yield Command(("SESSION.REVOKE", user, *kept, *chosen), everywhere=True)))


def rotate(
    key: Key, newkey: Key, write: Write, *, ifversion: int | None, replace: bool, grace: Seconds
) -> Steps[int | None]:
    milliseconds = round(arguments.seconds(grace) * 1000)
    tail: list[Argument] = ["PGRACE", milliseconds] if milliseconds else []
    args = ["SESSION.ROTATE", key, newkey, *_ifversion(ifversion), *(["REPLACE"] if replace else [])]
    version: int | None = yield _conditional((*args, *write.arguments(), *tail), key, repeat=bool(tail))
    return version


def unset(key: Key, fields: Iterable[Key], *, ifversion: int | None, keepttl: bool) -> Steps[int | None]:
    args = ("SESSION.UNSET", key, *_edit(ifversion, keepttl=keepttl), *arguments.counted("FIELDS", fields))
    removed: int | None = yield _conditional(args, key, repeat=ifversion is None)
    return removed


def pop(key: Key, fields: Iterable[Key], *, ifversion: int | None, keepttl: bool) -> Steps[list[Value | None] | None]:
    args = ("SESSION.POP", key, *_edit(ifversion, keepttl=keepttl), *arguments.counted("FIELDS", fields))
    values: list[Value | None] | None = yield _conditional(args, key, repeat=False)
    return values


def incrby(key: Key, field: Key, increment: int, *, ifversion: int | None, keepttl: bool) -> Steps[int | None]:
    args = ("SESSION.INCRBY", key, field, increment, *_edit(ifversion, keepttl=keepttl))
    value: int | None = yield _conditional(args, key, repeat=False)
    return value


def info(key: Key) -> Steps[dict[str, Any] | None]:
    reply = yield Command(("SESSION.INFO", key))
    return None if reply is None else _dated(named(reply))


_POINTS_IN_TIME = ("created", "accessed", "end", "deadline", "grace")
_DURATIONS = ("idle", "lifetime")


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    """Metadata with datetimes (aware, in UTC) and seconds."""
    for name in _POINTS_IN_TIME:
        if row.get(name) is not None:
            row[name] = at(row[name])
    for name in _DURATIONS:
        if row.get(name) is not None:
            row[name] /= 1000
    if "data" in row:
        row["data"] = mapping(row["data"])
    return row


def _shaped(reply: Any, fields: Iterable[Key] | None) -> Any:
    return mapping(reply) if reply is not None and fields is None else reply


def _wanted(fields: Iterable[Key] | None) -> list[Argument]:
    return [] if fields is None else arguments.counted("FIELDS", fields)


def _limit(limit: tuple[int, int] | None) -> list[Argument]:
    return [] if limit is None else ["LIMIT", *limit]


def _ifversion(version: int | None) -> list[Argument]:
    return [] if version is None else ["IFVERSION", version]


def _edit(version: int | None, *, keepttl: bool) -> list[Argument]:
    return _ifversion(version) + (["KEEPTTL"] if keepttl else [])


def _conditional(args: tuple[Argument, ...], key: Key, *, repeat: bool) -> Command:
    """A command that means something else when it is carried out a second time, unless `repeat`."""
    return Command(args, key=None if repeat else key, repeat=repeat)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
