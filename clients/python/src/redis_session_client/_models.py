"""What a store is told, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from ._arguments import KEEP, Policy, Timeout, Until, Whose
from .fields import Codec, Encoded

#: What is asked for beside the data: the idle timeout, and when the session began and ends; the timeout; nothing.
Details: TypeAlias = Literal[True, "idle", False]

_LONGEST_GRACE = 300


def _whole(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Options:
    """How sessions are kept. Times are in seconds."""

    #: What the keys begin with; nothing else may be stored under it.
    prefix: str = "sess:"
    #: What stands before the users' names in the server: applications that share a database take different ones.
    user_prefix: str = ""
    #: The idle timeout of new sessions; None: the server's `session.default-timeout`.
    idle: float | None = None
    #: The absolute limit of new sessions, from login; None: the server's `session.default-lifetime`.
    lifetime: float | None = None
    #: Whether reading keeps a session alive.
    sliding: bool = True
    #: How long the old id can still be read after a login, at most 300; 0: not at all.
    rotation_grace: float = 10.0
    #: The most sessions of a user, and what happens to one more.
    max_sessions: int | None = None
    on_limit: Policy = "oldest"
    #: Whether ids are hashed in the server, so that a copy of its data signs nobody in.
    hash_keys: bool = True
    #: "merge": requests that write different fields keep both. "strict": a write fails where somebody wrote meanwhile.
    conflict: Literal["merge", "strict"] = "merge"

    def __post_init__(self) -> None:
        # A wrong type would be taken for something, and be found out by the first visitor, or by nobody.
        for name, kind in (("prefix", str), ("user_prefix", str), ("sliding", bool), ("hash_keys", bool)):
            if not isinstance(getattr(self, name), kind):
                wanted = "a string" if kind is str else "True or False"
                raise TypeError(f"{name} is {wanted}, not {getattr(self, name)!r}")
        if self.max_sessions is not None and not _whole(self.max_sessions, least=1):
            raise ValueError(f"max_sessions is 1 or more, a whole number, or None; not {self.max_sessions!r}")
        if self.on_limit not in ("oldest", "lru", "reject"):
            raise ValueError('on_limit is "oldest", "lru" or "reject"')
        if self.conflict not in ("merge", "strict"):
            raise ValueError('conflict is "merge" or "strict"')
        if not _number(self.rotation_grace) or not 0 <= self.rotation_grace <= _LONGEST_GRACE:
            raise ValueError(f"rotation_grace is 0 to 300 seconds, not {self.rotation_grace!r}")


class Change(NamedTuple):
    """What a write changes beside the data."""

    user: Whose = KEEP
    idle: Timeout = KEEP
    lifetime: Timeout = KEEP
    expires_at: Until = KEEP
    #: Whether fields that others have written go.
    replace: bool = False


@dataclass(slots=True)  # not frozen: one is made for each request, at a third of the cost
class Loaded:
    """A session as it was read, or as it is after a write. Not to be changed."""

    id: str
    #: The server's key.
    key: str = field(repr=False)
    user: str | None
    #: The snapshot that a rotation left under the old id: it can be read, and what is written is dropped.
    frozen: bool
    _codec: Codec = field(repr=False)
    #: What was read, and what was written since, in order.
    parts: tuple[Encoded, ...] = field(repr=False)
    #: Known where `conflict="strict"` asks for it, and after each write.
    version: int | None = None
    #: With the `details` of a store: when it began for its present user, the idle timeout in seconds, the fixed end.
    created: datetime | None = None
    idle: float | None = None
    end: datetime | None = None
    _decoded: dict[str, Any] | None = field(default=None, repr=False)

    def data(self) -> dict[str, Any]:
        """The session's data, new objects at each call."""
        data = self._codec.decode(self.parts)
        self._decoded = data.copy()
        return data

    def difference(self, data: Mapping[Any, Any]) -> tuple[dict[str, Any], list[str]]:
        """What is set in `data` that this session does not hold, and the names of what it lacks."""
        return self._codec.difference(self.parts, data, self._decoded)


@dataclass(frozen=True)
class Device:
    """A session as "my devices" shows it. Times are aware, in UTC."""

    #: What stands for the session in a page or a form. It lets nobody in.
    handle: str
    created: datetime
    last_access: datetime
    #: When it ends if it is not used again; None: never.
    deadline: datetime | None
    #: What was noted of the device at login, in the field `_device`. Where nothing was (the session was moved in from
    #: another store, say): empty strings as `ip`, `agent` and `name`.
    device: Any
    #: Whether it is the session of this request.
    current: bool
