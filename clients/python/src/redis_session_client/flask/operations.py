"""What applications ask of sessions beyond Flask's own interface."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import flask
from flask.sessions import SessionMixin

from .._arguments import Seconds, seconds
from .._visit import STEP_UP, stepped_up
from ..store import Device
from .session import Session

if TYPE_CHECKING:
    from .interface import SessionInterface


class Operations:
    """The methods that a `SessionInterface` and the extension `RedisSession` share.

    Where they take a session it is `flask.session`. Users are called what the session calls them; an int is as good as
    its text.
    """

    def interface(self) -> SessionInterface:
        """The session interface that is asked."""
        raise NotImplementedError

    # --- the session of this request ---

    def regenerate(self, session: SessionMixin) -> None:
        """Gives the session a new id when the request ends. A login does so by itself."""
        own = _own(session)
        own.visit.rotates = own.modified = True

    def save(self, session: SessionMixin) -> None:
        """Saves the session now rather than after the view, so that the view can take the exception.

        With `on_limit="reject"` a login raises SessionLimit here.
        """
        own = _own(session)
        app = flask.current_app._get_current_object()  # type: ignore[attr-defined]
        self.interface().write(app, own)

    def set_lifetime(self, session: SessionMixin, lifetime: Seconds | None) -> None:
        """Ends the session so long after its login, whatever happens: seconds or a timedelta. None: no such end."""
        own = _own(session)
        own.visit.times = {"lifetime": lifetime}
        own.modified = True

    def step_up(self, session: SessionMixin, lasting: Seconds = 300) -> None:
        """Notes that the user has just shown again who they are, and gives the session a new id."""
        session[STEP_UP] = [self._user(session), int(time.time() + seconds(lasting))]
        self.regenerate(session)

    def stepped_up(self, session: SessionMixin) -> bool:
        """Whether the session is still the same user's, and the time that `step_up` gave is not over."""
        return stepped_up(session, self._user(session))

    def _user(self, session: SessionMixin) -> str | None:
        own = _own(session)
        return own.visit.user(own.read(), self.interface().user)

    # --- all sessions of a user ---

    def devices(self, user: Any, current: SessionMixin | None = None) -> list[Device]:
        """The user's sessions, latest access first. `current` is the session that asks: it is marked."""
        return self.interface().store.devices(_named(user), _id(current))

    def sign_out(self, user: Any, keep: SessionMixin | None = None) -> int:
        """Ends all sessions of a user, but `keep`. Tells how many ended."""
        return self.interface().store.sign_out(_named(user), _id(keep))

    def sign_out_device(self, user: Any, handle: str) -> bool:
        """Ends the session of that handle if it is the user's. Tells whether there was one."""
        return self.interface().store.sign_out_device(_named(user), handle)

    def count(self, user: Any) -> int:
        """How many sessions a user has."""
        return self.interface().store.count(_named(user))

    def check(self) -> None:
        """Asks the server whether it can hold sessions, so that a program learns it when it starts.

        Raises ModuleMissing where the module is not loaded, and redis-py's errors where the server does not answer.
        """
        self.interface().store.check()


def _own(session: SessionMixin) -> Session:
    if not isinstance(session, Session):
        raise TypeError("this is no session of redis_session_client: is app.session_interface another one?")
    session.read()
    return session


def _id(session: SessionMixin | None) -> str | None:
    return None if session is None else _own(session).sid


def _named(user: Any) -> str:
    if user is None or user == "":
        raise ValueError("no user: sessions without one are nobody's")
    return str(user)
