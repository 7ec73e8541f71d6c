"""Moving out: the old interface again, which takes over the sessions that are on the server."""

from __future__ import annotations

from typing import Any

import flask
from flask.sessions import SessionInterface as FlaskSessionInterface
from flask.sessions import SessionMixin

from .interface import SessionInterface


class RollBack(FlaskSessionInterface):
    """Goes back to another interface without logging anyone out: `app.session_interface = RollBack(old, new)`."""

    def __init__(self, old: FlaskSessionInterface, new: SessionInterface) -> None:
        self._old = old
        self._new = new

    def open_session(self, app: flask.Flask, request: flask.Request) -> SessionMixin | None:
        """Opens a session by the old interface; one that it lacks is moved there from the server."""
        session = self._old.open_session(app, request)
        cookie = request.cookies.get(self._new.get_cookie_name(app))
        if session is None or cookie is None or session.keys() - {"_permanent"}:
            return session
        loaded = self._new.store.load(cookie)
        if loaded is None:
            return self._old.open_session(app, request)  # another request may have moved it meanwhile
        if loaded.frozen:
            return session
        session.update(loaded.data())
        session.modified = True
        if hasattr(session, "sid"):
            session.sid = cookie
            self._old.save_session(app, session, app.response_class())
            self._new.store.delete(cookie)
        return session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._old, name)  # its own methods, such as Flask-Session's regenerate()

    def save_session(self, app: flask.Flask, session: SessionMixin, response: flask.Response) -> None:
        """Saves by the old interface."""
        self._old.save_session(app, session, response)
