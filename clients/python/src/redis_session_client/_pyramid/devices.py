"""A user's sessions, as a view sees and ends them."""

from __future__ import annotations

from typing import Any

from .._models import Device
from .session import RedisSession

_AGENT = 300  # characters of a browser's description that are kept


def devices(request: Any, user: str | None = None) -> list[Device]:
    """A user's sessions, latest access first; of this request's user, unless another is named."""
    session = _session(request)
    user = user or session.user
    return [] if user is None else session.store.devices(user, session.stored_id)


def count(request: Any, user: str | None = None) -> int:
    """How many sessions a user has."""
    session = _session(request)
    user = user or session.user
    return 0 if user is None else session.store.count(user)


def sign_out(request: Any, user: str | None = None, *, keep_current: bool = False) -> int:
    """Ends all sessions of a user, or all but the one of this request. Tells how many ended."""
    session = _session(request)
    own = session.user
    user = user or own
    if user is None:
        return 0
    ended = session.store.sign_out(user, session.stored_id if keep_current else None)
    if user == own and not keep_current:
        session.invalidate()
    return ended


def sign_out_device(request: Any, handle: str, user: str | None = None) -> bool:
    """Ends the session of a user that has this handle. Nobody else's ends, whatever the handle is."""
    session = _session(request)
    user = user or session.user
    return user is not None and session.store.sign_out_device(user, handle)


def describe_device(request: Any) -> dict[str, Any]:
    """What is noted of a device at login: its address, and what its browser says of itself."""
    environ = request.environ
    return {"ip": environ.get("REMOTE_ADDR", ""), "agent": environ.get("HTTP_USER_AGENT", "")[:_AGENT]}


def _session(request: Any) -> RedisSession:
    session = request.session
    if not isinstance(session, RedisSession):
        raise TypeError('the sessions of this site are not of redis_session_client: config.include("…pyramid")')
    return session
