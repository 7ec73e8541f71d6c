"""What one request does to its session, where a framework keeps the session in a dict: Flask, Starlette.

Written once, as generators of calls on a store: `run` carries them out on a `Store`, `arun` on an `AsyncStore`.
"""

from __future__ import annotations

import enum
import logging
import math
import time
import uuid
from collections.abc import Callable, Generator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from ._arguments import KEEP, LONGEST, Keep, Seconds, Timeout, seconds
from ._models import Loaded
from .errors import SessionError
from .keys import new_id
from .store import DEVICE, AsyncStore, Store

T = TypeVar("T")

#: Where the application keeps the user's name: a key of the session, or a function of its data. None: nowhere.
UserOf: TypeAlias = str | Callable[[Mapping[str, Any]], Any] | None

_TRIES = 3  # to find an id that is free; the first one is, or the randomness is broken
_TOLERANCE = 0.001  # seconds by which two equal idle timeouts may differ after rounding
#: The field that `step_up` makes: who has shown who they are, and until when (Unix seconds) that counts.
STEP_UP = "_step_up"

logger = logging.getLogger("redis_session_client")


class Cookie(enum.Enum):
    """What the response says of the browser's cookie."""

    LEAVE = "leave"
    SET = "set"
    DELETE = "delete"


class Call(NamedTuple):
    """A method of a store, and what it is called with."""

    method: str
    args: tuple[Any, ...]
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


Calls: TypeAlias = Generator[Call, Any, T]


@dataclass
class Visit:
    """What is known of a request's session, and what is to be done with it when the request ends."""

    #: The id that the browser brought, whatever it is worth.
    brought: str | None
    loaded: Loaded | None = None
    #: What it holds, before the application changes it.
    data: dict[str, Any] = field(default_factory=dict)
    #: The idle timeout that the session has on the server; KEEP: unknown.
    idle: Timeout = KEEP
    #: Whether it is to get a new id, and whether it was emptied and begun anew.
    rotates: bool = False
    cleared: bool = False
    #: Changes of its times: lifetime, expires_at.
    times: dict[str, Any] = field(default_factory=dict)
    cookie: Cookie = Cookie.LEAVE
    #: Whether it ended while the request was under way, so that nothing could be written.
    gone: bool = False

    @property
    def id(self) -> str | None:
        """The id of the session that is there; None before it begins."""
        return None if self.loaded is None else self.loaded.id

    def user(self, data: Mapping[str, Any], where: UserOf) -> str | None:
        """The user that the session names now, or else has on the server."""
        named = user_of(data, where)
        if named is not KEEP:
            return named
        return None if self.loaded is None else self.loaded.user

    def found(self, loaded: Loaded | None) -> None:
        """Takes what was read. What cannot be decoded (another serializer wrote it) is as good as no session."""
        if loaded is None:
            return
        try:
            self.data = loaded.data()
        except Exception:
            logger.warning("a session could not be decoded, and is taken for none", exc_info=True)
            return
        self.loaded = loaded
        self.idle = loaded.idle

    def save(
        self,
        data: MutableMapping[str, Any],
        *,
        user: str | Literal[Keep.KEEP] | None,
        idle: Timeout = KEEP,
        device: Callable[[], Any] | None = None,
    ) -> Calls[None]:
        """Writes what is different, in one command; where the user is another than before, under a new id.

        A session that has nothing in it any more is ended. One that ended meanwhile does not come back, and what is
        written to the snapshot of a rotated one is dropped: the cookie is left alone then. Only who logs in gets a new
        session all the same, for they have just shown who they are. KEEP: the session does not say whose it is.
        """
        loaded = self.loaded
        if not data:
            yield from self.end()
            return
        if user is KEEP:
            user = None if loaded is None else loaded.user
        joins = user is not None and (loaded is None or loaded.user != user)
        if self.gone and not joins:
            return
        noted = device() if joins and device is not None else None
        if noted is None:
            yield from self._save(data, user, idle, joins=joins)
        else:
            yield from self._save({**data, DEVICE: noted}, user, idle, joins=joins)
            data[DEVICE] = noted  # not before: the login may have been refused

    def _save(self, data: Mapping[str, Any], user: str | None, idle: Timeout, *, joins: bool) -> Calls[None]:
        loaded = self.loaded
        if loaded is None:
            yield from self._begin(data, user, idle)
        elif not loaded.frozen:
            yield from self._write(loaded, data, user, idle, joins=joins)
        elif joins:
            yield from self._begin(data, user, idle)
        elif user is None and loaded.user is not None:
            yield from self.end()  # a logout by the old id

    def end(self) -> Calls[None]:
        """Ends the session. One that is nobody's keeps its cookie where its browser has logged in meanwhile."""
        loaded = self.loaded
        if loaded is None:
            self.cookie = Cookie.DELETE if self.brought is not None else Cookie.LEAVE
            return
        if loaded.user is None:
            if loaded.frozen or not (yield from self._end_unused(loaded)):
                return
        else:
            yield Call("delete", (loaded.id,))
        self.cookie = Cookie.DELETE
        self.loaded = None

    def _end_unused(self, loaded: Loaded) -> Calls[bool]:
        """Ends a session that is empty now, and nobody's. What another request has written meanwhile stays."""
        if (yield Call("end", (loaded,), {"unless_written": not self.cleared})):
            return True
        written = None if self.cleared else (yield Call("save", (loaded, {})))
        if written is None:
            self.gone = True
        else:
            self._written(written, KEEP)
        return False

    def _begin(self, data: Mapping[str, Any], user: str | None, idle: Timeout) -> Calls[None]:
        for _ in range(_TRIES):
            options = {"user": user, "idle": idle, **self.times}
            created = yield Call("create", (new_id(), data), options)
            if created is not None:
                self._written(created, idle)
                self.cookie = Cookie.SET
                return
        raise SessionError("no free session id was found: the ids made here are not random")

    def _write(
        self, loaded: Loaded, data: Mapping[str, Any], user: str | None, idle: Timeout, *, joins: bool
    ) -> Calls[None]:
        options = dict(self.times)
        if user != loaded.user:  # else another request may have changed it meanwhile, by a logout
            options["user"] = user
        if idle is not KEEP and not _same(idle, self.idle):
            options["idle"] = idle
        # Somebody else's login must not inherit what requests of the former user write at this moment.
        options["replace"] = self.cleared or (joins and loaded.user is not None)
        rotates = joins or self.rotates
        written = yield Call("rotate" if rotates else "save", (loaded, data), options)
        if written is not None:
            self._written(written, idle)
            self.cookie = Cookie.SET if rotates else self.cookie
        elif joins:
            yield from self._begin(data, user, idle)
        else:
            self.gone = True

    def _written(self, loaded: Loaded, idle: Timeout) -> None:
        self.loaded = loaded
        self.idle = self.idle if idle is KEEP else idle
        self.rotates = self.cleared = False
        self.times = {}


def run(store: Store, calls: Calls[T]) -> T:
    """Carries out calls on a store."""
    try:
        call = next(calls)
        while True:
            call = calls.send(getattr(store, call.method)(*call.args, **call.options))
    except StopIteration as done:
        result: T = done.value
        return result


async def arun(store: AsyncStore, calls: Calls[T]) -> T:
    """Carries out calls on an async store."""
    try:
        call = next(calls)
        while True:
            call = calls.send(await getattr(store, call.method)(*call.args, **call.options))
    except StopIteration as done:
        result: T = done.value
        return result


def user_of(data: Mapping[str, Any], where: UserOf) -> str | Literal[Keep.KEEP] | None:
    """The user that a session's data names, as a str, or None. KEEP: sessions do not say it.

    Raises TypeError for what can be no user's name.
    """
    if where is None:
        return KEEP
    user = data.get(where) if isinstance(where, str) else where(data)
    if user is None or user == "":
        return None
    if isinstance(user, (str, int, uuid.UUID)) and not isinstance(user, bool):
        return str(user)
    raise TypeError(
        f"the user of a session is a str, an int or a UUID, not {type(user).__name__}: "
        "say by the option `user` where the session keeps it (a key, a function of the session, or None)"
    )


def where_of_user(where: UserOf) -> UserOf:
    """The option `user`. Raises TypeError for what it cannot be, before the first request does."""
    if where is None or isinstance(where, str) or callable(where):
        return where
    raise TypeError(f"`user` is a key of the session, a function of it, or None; not {where!r}")


def seconds_of(option: str, value: Seconds | None) -> float | None:
    """The option `idle` or `lifetime` in seconds. Raises TypeError for what it cannot be."""
    try:
        given = None if value is None else seconds(value)
    except (TypeError, ValueError):
        given = math.nan
    if given is not None and math.isnan(given):
        raise TypeError(f"`{option}` is seconds, a timedelta, or None; not {value!r}")
    return given


def device_of(device: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """The option `device`. Raises TypeError for what it cannot be."""
    if device is None or callable(device):
        return device
    raise TypeError(f"`device` is a function, or None to note nothing; not {device!r}")


def user_or_none(data: Mapping[str, Any], where: UserOf) -> str | None:
    """The same for a session that begins: nobody's, where sessions do not say it."""
    user = user_of(data, where)
    return None if user is KEEP else user


def stepped_up(data: Mapping[str, Any], user: str | None) -> bool:
    """Whether `step_up` was called for this user, and its time is not over."""
    match data.get(STEP_UP):
        case [who, int(until)]:
            return bool(who == user and time.time() < until)
    return False


def _same(one: Timeout, other: Timeout) -> bool:
    if one is KEEP or other is KEEP or one is None or other is None:
        return one is other
    return abs(min(seconds(one), LONGEST) - min(seconds(other), LONGEST)) <= _TOLERANCE
