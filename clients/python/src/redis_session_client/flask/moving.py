"""Moving in: sessions that another interface still holds are taken over when their browsers come by."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import flask
from flask.sessions import SessionInterface as FlaskSessionInterface
from flask.sessions import SessionMixin

from .._visit import Cookie, Visit, user_or_none
from ..keys import acceptable
from ..store import Store

if TYPE_CHECKING:
    from .interface import SessionInterface


class MovingIn:
    """Reads a session that the server lacks from the old interface, once, and ends it there."""

    def __init__(self, old: FlaskSessionInterface, new: SessionInterface) -> None:
        self._old = old
        self._new = new
        # Nobody is logged out by a cap that the old sessions knew nothing of.
        self._store = Store(new.store.client, replace(new.store.options, max_sessions=None), new.store.codec)

    def take(self, app: flask.Flask, request: flask.Request, visit: Visit) -> None:
        """Finds the session of the cookie in the old store and writes it here, under the same id."""
        old = self._old.open_session(app, request)
        session_id = _id_of(visit.brought or "", old)
        data = {} if old is None else dict(old)
        if old is not None and data.keys() - {"_permanent"}:
            idle = self._new.idle_timeout(app, permanent=bool(data.get("_permanent", self._new.permanent)))
            visit.found(self._store.create(session_id, data, user=user_or_none(data, self._new.user), idle=idle))
            end(self._old, app, old)
        if visit.loaded is None:
            # Another request of this browser may have moved it meanwhile.
            visit.found(self._store.load(session_id))
        # While the browser logs in by another request, that one's cookie is the better.
        if visit.loaded is not None and not visit.loaded.frozen and session_id != visit.brought:
            visit.cookie = Cookie.SET


def _id_of(cookie: str, old: SessionMixin | None) -> str:
    """The id of a session that moves in: its old one, so that requests which come together find the same session.

    A cookie that is no id but holds all the data, as Flask's own, stands for the id that is its hash: the browser gets
    that one instead.
    """
    if hasattr(old, "sid") and acceptable(cookie):
        return cookie
    return hashlib.sha256(cookie.encode()).hexdigest()[:32]


def end(old: FlaskSessionInterface, app: flask.Flask, session: SessionMixin) -> None:
    """Ends a session of another interface: emptied and saved, with a response that nobody gets."""
    session.clear()
    old.save_session(app, session, app.response_class())
