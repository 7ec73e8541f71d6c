"""The session interface: opens and saves sessions for Flask, and does what only sessions on a server can."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, cast

import flask
from blinker import Namespace
from flask.sessions import SessionInterface as FlaskSessionInterface
from flask.sessions import SessionMixin, session_json_serializer

from .._arguments import Policy, Seconds
from .._connect import ASYNC, connect, refuse
from .._drive import SyncClient
from .._visit import Cookie, UserOf, Visit, device_of, run, seconds_of, user_of, where_of_user
from ..errors import FAILURES
from ..store import Options, Store
from .codec import TaggedCodec
from .moving import MovingIn
from .operations import Operations
from .session import Session

#: Sent with the session when it ended while the request was under way (a sign-out elsewhere): nothing was written.
session_gone = Namespace().signal("session-gone")


def remote_device() -> dict[str, str]:
    """What is noted of a device at login: the address and the browser, as the request tells them."""
    return {"ip": flask.request.remote_addr or "", "agent": flask.request.user_agent.string[:300]}


class SessionInterface(Operations, FlaskSessionInterface):
    """Keeps the sessions of Flask applications on a Redis or Valkey server that has the redis-session module.

    `client` is a `redis.Redis` or `redis.RedisCluster`, or a URL. Everything that Flask's configuration says of the
    cookie (`SESSION_COOKIE_*`, `PERMANENT_SESSION_LIFETIME`, `SESSION_REFRESH_EACH_REQUEST`) holds. No `SECRET_KEY` is
    needed: the cookie is a random id.
    """

    session_class = Session
    #: The serializer of values, as in Flask's own interface.
    serializer = session_json_serializer

    def __init__(
        self,
        client: SyncClient | str,
        *,
        user: UserOf = "_user_id",
        idle: Seconds | None = None,
        permanent: bool = False,
        device: Callable[[], Any] | None = remote_device,
        migrate_from: FlaskSessionInterface | None = None,
        prefix: str = Options.prefix,
        user_prefix: str = Options.user_prefix,
        lifetime: Seconds | None = None,
        sliding: bool = Options.sliding,
        rotation_grace: float = Options.rotation_grace,
        max_sessions: int | None = None,
        on_limit: Policy = Options.on_limit,
        hash_keys: bool = Options.hash_keys,
        conflict: Literal["merge", "strict"] = Options.conflict,
    ) -> None:
        """`user`: the key under which the session keeps the user (by default Flask-Login's), or a function of it.

        `idle`: how long a session that is not permanent may go unused; `PERMANENT_SESSION_LIFETIME` by default, as for
        permanent ones. `permanent`: whether sessions are so unless they say otherwise. `device`: makes what is noted of
        a device at login; None notes nothing. `migrate_from`: the interface whose sessions move in. The rest are
        described at `Options`.
        """
        options = Options(
            prefix=prefix,
            user_prefix=user_prefix,
            lifetime=seconds_of("lifetime", lifetime),
            sliding=sliding,
            rotation_grace=rotation_grace,
            max_sessions=max_sessions,
            on_limit=on_limit,
            hash_keys=hash_keys,
            conflict=conflict,
        )
        refuse(client, ASYNC, "one of the module redis, without asyncio")
        if not isinstance(client, str) and not hasattr(client, "execute_command"):
            raise TypeError(
                f"SESSION_REDIS, or the client, is a URL or a client of redis-py, not {type(client).__name__}"
            )
        if not isinstance(permanent, bool):
            raise TypeError(f"permanent is True or False, not {permanent!r}")
        if isinstance(migrate_from, str):
            raise TypeError(
                f'migrate_from is a session interface (or "flask-session" in SESSION_REDIS_MIGRATE_FROM), '
                f"not {migrate_from!r}"
            )
        client = connect(client) if isinstance(client, str) else client
        self.store = Store(client, options, self._codec(), details="idle")
        self.user = where_of_user(user)
        self.idle = seconds_of("idle", idle)
        self.permanent = permanent
        self.device = device_of(device)
        self.moving_in = None if migrate_from is None else MovingIn(migrate_from, self)

    def _codec(self) -> TaggedCodec:
        return TaggedCodec(self.serializer)

    def interface(self) -> SessionInterface:
        return self

    # --- what Flask calls ---

    def open_session(self, app: flask.Flask, request: flask.Request) -> Session:
        """Makes the session of a request. It is read when something looks at it."""
        visit = Visit(request.cookies.get(self.get_cookie_name(app)))
        return self.session_class(visit, partial(self._read, app, request), permanent=self.permanent)

    def save_session(self, app: flask.Flask, session: SessionMixin, response: flask.Response) -> None:
        """Saves what the request changed, and sends the cookie where it is a new one or is to be refreshed."""
        own = cast(Session, session)
        if own.failed:
            return
        if own.is_read:
            try:
                self.write(app, own)
            except Exception:
                own.failed = True
                raise
        elif own.visit.brought is not None and app.config["SESSION_REFRESH_EACH_REQUEST"]:
            self._refresh(app, own)
        varies = own.accessed
        if own.visit.cookie is Cookie.DELETE:
            response.delete_cookie(self.get_cookie_name(app), **self._cookie_options(app))
            varies = True
        elif self._sends_cookie(app, own):
            expires = self.get_expiration_time(app, own)
            value = own.visit.id or ""
            response.set_cookie(self.get_cookie_name(app), value, expires=expires, **self._cookie_options(app))
            varies = True
        if varies:
            _vary_by_cookie(response)

    # --- parts of these ---

    def idle_timeout(self, app: flask.Flask, *, permanent: bool) -> Seconds:
        """How long a session may go unused."""
        return app.permanent_session_lifetime if permanent or self.idle is None else self.idle

    def _read(self, app: flask.Flask, request: flask.Request, visit: Visit) -> dict[str, Any]:
        visit.found(self.store.load(visit.brought))
        if visit.loaded is None and visit.brought is not None and self.moving_in is not None:
            self.moving_in.take(app, request, visit)
        return visit.data

    def write(self, app: flask.Flask, session: Session) -> None:
        """Writes what has changed in a session. One command, or none."""
        data = session.read()
        if not data and not session.modified:
            return
        visit = session.visit
        idle = self.idle_timeout(app, permanent=session.permanent)
        saving = visit.save(data, user=user_of(data, self.user), idle=idle, device=self.device)
        was_gone = visit.gone
        run(self.store, saving)
        if visit.gone and not was_gone:
            app.logger.info("a session ended while a request was under way: what it wrote was dropped")
            session_gone.send(app, session=session)

    def _refresh(self, app: flask.Flask, session: Session) -> None:
        """Keeps a session alive that the request did not look at. That must not break a page which needs none."""
        try:
            session.read()
        except FAILURES as error:
            app.logger.warning("a session could not be kept alive: %s", error)

    def _sends_cookie(self, app: flask.Flask, session: Session) -> bool:
        visit = session.visit
        if visit.cookie is Cookie.SET:
            return True
        is_there = visit.loaded is not None and not visit.loaded.frozen and not visit.gone
        return is_there and self.should_set_cookie(app, session)

    def _cookie_options(self, app: flask.Flask) -> dict[str, Any]:
        options = {
            "domain": self.get_cookie_domain(app),
            "path": self.get_cookie_path(app),
            "secure": self.get_cookie_secure(app),
            "samesite": self.get_cookie_samesite(app),
            "httponly": self.get_cookie_httponly(app),
        }
        if hasattr(self, "get_cookie_partitioned"):  # Flask 3.1
            options["partitioned"] = self.get_cookie_partitioned(app)
        return options


def _vary_by_cookie(response: flask.Response) -> None:
    if "Vary" in response.headers:
        response.vary.add("Cookie")
    else:  # which is so nearly always, and `vary` takes its time
        response.headers["Vary"] = "Cookie"
