"""RedisSession: the interface from the application's configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import flask

from redis_session_client.flask import RedisSession
from tests.flask.site import add_pages


def test_application_factories(server):
    sessions = RedisSession()

    def create_app(prefix: str) -> Any:
        app = flask.Flask(prefix)
        app.config.update(
            SESSION_REDIS=server.client(),
            SESSION_REDIS_PREFIX=prefix,
            SESSION_REDIS_USER_PREFIX=prefix,
            SESSION_REDIS_PERMANENT=True,
        )
        sessions.init_app(app)
        add_pages(app)
        return app

    one, other = create_app("one:"), create_app("other:")
    for app in (one, other):
        browser = app.test_client()
        assert "Expires" in browser.get("/login/alice").headers["Set-Cookie"]
    assert len(server.keys("one:*")) == len(server.keys("other:*")) == 1
    with one.app_context():
        (device,) = sessions.devices("alice")
        assert sessions.sign_out_device("alice", device.handle)
        sessions.check()


def test_the_environment(server, monkeypatch):
    monkeypatch.setenv("FLASK_SESSION_REDIS", server.url)
    monkeypatch.setenv("FLASK_SESSION_REDIS_USER", "user")
    monkeypatch.setenv("FLASK_SESSION_REDIS_MAX_SESSIONS", "2")
    monkeypatch.setenv("FLASK_SESSION_REDIS_LIFETIME", "3600")
    app = flask.Flask(__name__)
    app.config.from_prefixed_env()
    RedisSession(app)
    interface: Any = app.session_interface
    assert interface.user == "user"
    assert interface.store.options.max_sessions == 2
    assert interface.store.options.lifetime == timedelta(hours=1).total_seconds()
