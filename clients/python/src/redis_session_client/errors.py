"""What the server says no to, as exceptions.

Errors of the connection, time-outs and everything that is not about sessions (``OOM``, ``NOPERM``, ``READONLY`` ...)
stay what redis-py makes of them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from redis.exceptions import RedisClusterException, RedisError, ResponseError


class SessionError(Exception):
    """A session command was refused. ``code`` is a word for programs; the message says what to do."""

    code: ClassVar[str] = "ERR"


#: All that can come of asking for a session. In redis-py the error of a cluster without nodes is no RedisError.
FAILURES = (RedisError, RedisClusterException, SessionError)


class SessionGone(SessionError):
    """The session was rotated a moment ago: this id only reads its frozen snapshot, and the browser has the new one."""

    code = "SESSIONGONE"


class SessionLimit(SessionError):
    """The user has as many sessions as they may have (``on_limit="reject"``): offer to sign out another device."""

    code = "SESSIONLIMIT"


class SessionConflict(SessionError):
    """Somebody else has written the session since it was read (``conflict="strict"``): read it again."""

    code = "SESSIONCONFLICT"


class SessionTooLarge(SessionError):
    """The session would pass ``session.max-fields`` or ``session.max-bytes`` of the server. Nothing was written."""

    code = "SESSIONTOOLARGE"


class WrongType(SessionError):
    """There is something else than a session at the key: two programs share one prefix."""

    code = "WRONGTYPE"


class ModuleMissing(SessionError):
    """The server does not know the SESSION commands: it has not loaded the module."""

    code = "MODULEMISSING"


class BadJSON(SessionError):
    """The server does not take this as JSON (NaN, a depth over 64 ...)."""

    code = "BADJSON"


# How the server's messages begin, without the `ERR ` that redis-py takes off, and what they are here.
_BEGINNINGS: tuple[tuple[str, type[SessionError], str], ...] = (
    ("SESSIONGONE", SessionGone, ""),
    ("SESSIONLIMIT", SessionLimit, ""),
    ("WRONGTYPE", WrongType, ": something else than a session is stored under {}; give sessions a prefix of their own"),
    ("session would have more than", SessionTooLarge, ""),
    ("invalid JSON", BadJSON, ""),
)


def translated(error: ResponseError, command: tuple[Any, ...]) -> SessionError | None:
    """The exception that a server's error to a command stands for, or None where it is not about sessions."""
    said = str(error).removeprefix("ERR ")
    for beginning, kind, advice in _BEGINNINGS:
        if said.startswith(beginning):
            return kind(said + advice.format(_keys(command)))
    if said.lower().startswith("unknown command") and "session." in said.lower():
        return ModuleMissing(
            "the server has not loaded the redis-session module: start it with --loadmodule libredis_session.so "
            f"(or `loadmodule` in redis.conf). It said: {said}"
        )
    return None


def _keys(command: tuple[Any, ...]) -> str:
    """For an operator who is to find what lies there. It is no session, so that its key lets nobody in."""
    keys = command[1:] if command[0] in ("SESSION.TOUCH", "SESSION.DEL") else command[1:2]
    return " or ".join(key.decode(errors="replace") if isinstance(key, bytes) else str(key) for key in keys)
