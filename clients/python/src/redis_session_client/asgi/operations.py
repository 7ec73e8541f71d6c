"""What applications ask of sessions beyond the dict. `connection` is a Request, a WebSocket, or an ASGI scope.

Users are called what the session calls them; where none is named it is the session's own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .._arguments import Seconds, seconds
from .._visit import STEP_UP
from .._visit import stepped_up as noted_step_up
from ..store import Device
from .session import Session

# --- the session of this connection ---


def rotate(connection: Mapping[str, Any]) -> None:
    """Gives the session a new id when the response begins. A login does so by itself."""
    session = _session(connection)
    session.visit.rotates = True
    session.mark_modified()


async def save(connection: Mapping[str, Any]) -> None:
    """Saves the session now rather than when the response begins, so that the endpoint can take the exception.

    With `on_limit="reject"` a login raises SessionLimit here. In a web socket it saves what has changed since the
    connection was accepted; else that is done when the connection ends.
    """
    await _session(connection).write()


async def touch(connection: Mapping[str, Any]) -> bool:
    """Keeps the session alive, for a web socket that is open for long. Tells whether it is still there."""
    session = _session(connection)
    return await session.store.touch(session.visit.id)


def session_id(connection: Mapping[str, Any]) -> str | None:
    """The id of the session, which its browser holds, or None where there is none yet. Show it to nobody."""
    return _session(connection).visit.id


def set_lifetime(connection: Mapping[str, Any], lifetime: Seconds | None) -> None:
    """Ends the session so long after its login, whatever happens: seconds or a timedelta. None: no such end."""
    session = _session(connection)
    session.visit.times = {"lifetime": lifetime}
    session.mark_modified()


def step_up(connection: Mapping[str, Any], lasting: Seconds = 300) -> None:
    """Notes that the user has just shown again who they are, and gives the session a new id."""
    session = _session(connection)
    session[STEP_UP] = [session.user, int(time.time() + seconds(lasting))]
    rotate(connection)


def stepped_up(connection: Mapping[str, Any]) -> bool:
    """Whether the session is still the same user's, and the time that `step_up` gave is not over."""
    session = _session(connection)
    return noted_step_up(session, session.user)


# --- all sessions of a user ---


async def devices(connection: Mapping[str, Any], user: Any = None) -> list[Device]:
    """The user's sessions, latest access first. That of this connection is marked."""
    session = _session(connection)
    return await session.store.devices(_user(session, user), session.visit.id)


async def sign_out(connection: Mapping[str, Any], user: Any = None, *, keep_current: bool = False) -> int:
    """Ends all sessions of a user, or all but that of this connection. Tells how many ended."""
    session = _session(connection)
    return await session.store.sign_out(_user(session, user), session.visit.id if keep_current else None)


async def sign_out_device(connection: Mapping[str, Any], handle: str, user: Any = None) -> bool:
    """Ends the session of that handle if it is the user's. Tells whether there was one."""
    session = _session(connection)
    return await session.store.sign_out_device(_user(session, user), handle)


async def count(connection: Mapping[str, Any], user: Any = None) -> int:
    """How many sessions a user has."""
    session = _session(connection)
    return await session.store.count(_user(session, user))


def _session(connection: Mapping[str, Any]) -> Session:
    session = connection.get("session")
    if not isinstance(session, Session):
        raise TypeError("the connection has no session of redis_session_client: is its SessionMiddleware installed?")
    session.mark_accessed()
    return session


def _user(session: Session, user: Any) -> str:
    named = session.user if user is None else str(user)
    if not named:
        raise ValueError("no user: sessions without one are nobody's")
    return named
