"""The arguments of SESSION commands, from Python values."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from .fields import Encoded


class Keep(enum.Enum):
    """The type of `KEEP`."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


#: An argument that is left as the session has it (a new one takes the default).
KEEP: Final = Keep.KEEP

Key: TypeAlias = str | bytes
User: TypeAlias = str | bytes
Argument: TypeAlias = str | bytes | int | float
Seconds: TypeAlias = float | timedelta
#: An idle timeout or a lifetime: seconds, None for none, KEEP for what it is.
Timeout: TypeAlias = Seconds | Literal[Keep.KEEP] | None
#: A fixed end: a point in time (a datetime or Unix seconds), None for none, KEEP for what it is.
Until: TypeAlias = datetime | float | Literal[Keep.KEEP] | None
#: Whose a session is: a user, None for nobody, KEEP for whose it is.
Whose: TypeAlias = User | Literal[Keep.KEEP] | None
Policy: TypeAlias = Literal["oldest", "lru", "reject"]

LONGEST = 10 * 365 * 86400  # seconds; what the server takes for 10 years
_LATEST = 253402300799999  # ms; the end of the year 9999
_PAST = 1  # ms; an end that ends the session at once


def seconds(value: Seconds) -> float:
    """Seconds of a number or a timedelta."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def times(idle: Timeout = KEEP, lifetime: Timeout = KEEP, expires_at: Until = KEEP) -> list[Argument]:
    """Idle timeout and end. What is not above 0, or in the past, ends the session; more than 10 years are 10 years."""
    if lifetime is not KEEP and expires_at is not KEEP:
        raise ValueError("a session ends after a lifetime or at a fixed time, not both")
    for given in (idle, lifetime):
        if given is not KEEP and given is not None and seconds(given) <= 0:
            return ["PXAT", _PAST]
    arguments: list[Argument] = []
    if idle is not KEEP:
        arguments += ["PERSIST"] if idle is None else ["PX", _milliseconds(idle)]
    if lifetime is not KEEP:
        arguments += ["NOLIFETIME"] if lifetime is None else ["PLIFETIME", _milliseconds(lifetime)]
    if expires_at is not KEEP:
        arguments += ["NOLIFETIME"] if expires_at is None else ["PXAT", _unix_milliseconds(expires_at)]
    return arguments


def _milliseconds(value: Seconds) -> int:
    # Rounded up, and cut before it becomes an integer: a site's "for ever" may be infinite.
    return math.ceil(min(seconds(value), LONGEST) * 1000)


def _unix_milliseconds(value: datetime | float) -> int:
    at = value.timestamp() if isinstance(value, datetime) else value
    return math.ceil(min(max(at * 1000, _PAST), _LATEST))


def whose(user: Whose) -> list[Argument]:
    """Binds a user, or nobody."""
    if user is KEEP:
        return []
    return ["NOUSER"] if user is None else ["USER", user]


def room(max_sessions: int | None, on_limit: Policy) -> list[Argument]:
    """A cap on the user's sessions."""
    return [] if max_sessions is None else ["MAXSESSIONS", max_sessions, on_limit.upper()]


def counted(word: str, names: Iterable[Key]) -> list[Argument]:
    """`FIELDS 2 a b` and its like, or nothing where there are no names."""
    names = list(names)
    return [word, len(names), *names] if names else []


def fields(values: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> list[Argument]:
    """`FIELDS n name value ...`, or nothing."""
    pairs = list(values.items() if isinstance(values, Mapping) else values)
    return ["FIELDS", len(pairs), *(part for pair in pairs for part in pair)] if pairs else []


def data(encoded: Encoded) -> list[Argument]:
    """The data of a write: what is removed, raw fields, JSON."""
    arguments: list[Argument] = []
    if encoded.gone:
        arguments += counted("UNSET", encoded.gone)
    if encoded.raw:
        arguments += fields(encoded.raw)
    if encoded.json is not None:
        arguments += ["JSON", encoded.json]
    return arguments
