"""The Flask extension: a session interface from the application's configuration."""

from __future__ import annotations

from inspect import signature
from typing import Any

import flask
from flask.sessions import SessionInterface as FlaskSessionInterface

from .interface import SessionInterface
from .operations import Operations

_PREFIX = "SESSION_REDIS_"
_OPTIONS = frozenset(signature(SessionInterface).parameters) - {"client"}


class RedisSession(Operations):
    """Sets an application's session interface from its configuration.

    `SESSION_REDIS` is a client or a URL. `SESSION_REDIS_USER`, `SESSION_REDIS_MAX_SESSIONS` and so on are the arguments
    of `SessionInterface`. `SESSION_REDIS_MIGRATE_FROM` may also be "flask-session": the interface that Flask-Session
    makes of the same configuration.
    """

    def __init__(self, app: flask.Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """For application factories."""
        client = app.config.get("SESSION_REDIS")
        if client is None:
            raise RuntimeError(
                'SESSION_REDIS is not set: a URL such as "redis://localhost:6379" or a client of redis-py'
            )
        options: dict[str, Any] = app.config.get_namespace(_PREFIX)
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            there_are = ", ".join(_PREFIX + name.upper() for name in sorted(_OPTIONS))
            raise TypeError(f"{_PREFIX}{unknown[0].upper()} is no option; there are {there_are}")
        if options.get("migrate_from") == "flask-session":
            options["migrate_from"] = _flask_session(app)
        app.session_interface = SessionInterface(client, **options)

    def interface(self) -> SessionInterface:
        """The session interface of the current application."""
        interface = flask.current_app.session_interface
        if not isinstance(interface, SessionInterface):
            raise TypeError("the application has another session interface: call init_app(app) first")
        return interface


def _flask_session(app: flask.Flask) -> FlaskSessionInterface:
    import flask_session  # type: ignore[import-untyped]  # noqa: PLC0415 - only sites that move have it

    before = app.session_interface
    flask_session.Session(app)
    made = app.session_interface
    app.session_interface = before
    return made
