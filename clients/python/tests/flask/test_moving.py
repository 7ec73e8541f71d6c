"""Moving in from Flask-Session and from Flask's own cookies, and back, without logging anyone out."""

from __future__ import annotations

import warnings
from datetime import timedelta

import flask
import pytest
import redis
from flask.sessions import SecureCookieSessionInterface

from redis_session_client.flask import RedisSession, RollBack, SessionInterface
from tests.flask.site import add_pages, cookie, with_cookie

flask_session = pytest.importorskip("flask_session")


def make_app(**config):
    app = flask.Flask(__name__)
    app.testing = True
    app.secret_key = "old and new"
    app.config.update(config)
    add_pages(app)
    return app


def redis_config(server):
    return {"SESSION_TYPE": "redis", "SESSION_REDIS": redis.Redis(port=server.port)}


def cachelib_config(tmp_path):
    cachelib = pytest.importorskip("cachelib")
    return {"SESSION_TYPE": "cachelib", "SESSION_CACHELIB": cachelib.FileSystemCache(str(tmp_path))}


@pytest.fixture(params=["redis", "cachelib", "signed", "cookie"])
def old(request, server, tmp_path):
    """Sets an application's old interface."""

    def set_old(app):
        if request.param == "cookie":
            app.session_interface = SecureCookieSessionInterface()
            return
        app.config.update(cachelib_config(tmp_path) if request.param == "cachelib" else redis_config(server))
        app.config["SESSION_USE_SIGNER"] = request.param == "signed"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            flask_session.Session(app)

    return set_old


def test_there_and_back(old, server):
    app = make_app()
    old(app)
    browser, other = app.test_client(), app.test_client()
    browser.get("/login/alice")
    browser.get("/add/before")
    other.get("/login/alice")
    old_interface = app.session_interface

    # There.
    app.session_interface = SessionInterface(server.url, migrate_from=old_interface)
    assert browser.get("/").json["_user_id"] == "alice"
    assert browser.get("/").json["list"] == ["before"]
    browser.get("/add/there")
    assert browser.get("/").json["list"] == ["before", "there"]
    assert other.get("/").json["_user_id"] == "alice"
    assert app.session_interface.count("alice") == 2
    with server.counting() as calls:
        browser.get("/")
    assert calls == {"session.getex": 1}, "a session that has moved costs nothing more"
    late = with_cookie(app, cookie(other))
    other.get("/logout")
    assert late.get("/").json == {}

    # And back.
    new_interface = app.session_interface
    app.session_interface = RollBack(old_interface, new_interface)
    assert browser.get("/").json["list"] == ["before", "there"]
    browser.get("/set/back/1")
    assert browser.get("/").json["back"] == "1"
    app.session_interface = old_interface
    assert browser.get("/").json["_user_id"] == "alice"
    assert browser.get("/").json["list"] == ["before", "there"]
    assert browser.get("/").json["back"] == "1"


def test_what_began_there_goes_back(old, server):
    app = make_app()
    old(app)
    old_interface = app.session_interface
    app.session_interface = new = SessionInterface(server.url, migrate_from=old_interface)
    browser, unknown = app.test_client(), with_cookie(app, "nobody-knows-this-id")
    browser.get("/login/alice")
    app.session_interface = RollBack(old_interface, new)
    assert browser.get("/").json["_user_id"] == "alice"
    assert browser.get("/").json["_user_id"] == "alice"
    assert "_user_id" not in unknown.get("/").json
    assert "_user_id" not in app.test_client().get("/").json


def test_requests_that_come_together_find_one_session(old, server):
    app = make_app()
    old(app)
    browser = app.test_client()
    browser.get("/login/alice")
    at_once = [with_cookie(app, cookie(browser)) for _ in range(3)]
    app.session_interface = SessionInterface(server.url, migrate_from=app.session_interface, max_sessions=5)
    for one in at_once:
        assert one.get("/").json["_user_id"] == "alice"
    assert app.session_interface.count("alice") == 1


def test_a_request_that_comes_together_with_the_login_gets_no_cookie(old, server):
    app = make_app()
    old(app)
    browser = app.test_client()
    browser.get("/set/cart/17")
    late = with_cookie(app, cookie(browser))
    app.session_interface = SessionInterface(server.url, migrate_from=app.session_interface)
    browser.get("/login/alice")
    response = late.get("/")
    assert response.json["cart"] == "17"
    assert "Set-Cookie" not in response.headers


def test_a_cap_refuses_nobody_who_moves_in(server):
    app = make_app(**redis_config(server))
    flask_session.Session(app)
    browsers = [app.test_client() for _ in range(3)]
    for browser in browsers:
        browser.get("/login/alice")
    app.session_interface = SessionInterface(
        server.url, migrate_from=app.session_interface, max_sessions=1, on_limit="reject"
    )
    for browser in browsers:
        assert browser.get("/").json["_user_id"] == "alice"


def test_by_configuration(server):
    """The page's way: the configuration of Flask-Session stays, RedisSession takes the place of Session."""
    config = redis_config(server)
    before = make_app(**config)
    flask_session.Session(before)
    browser = before.test_client()
    browser.get("/login/alice")

    after = make_app(**config, SESSION_REDIS_MIGRATE_FROM="flask-session", SESSION_REDIS_MAX_SESSIONS=3)
    after.permanent_session_lifetime = timedelta(minutes=7)
    sessions = RedisSession(after)
    moved = with_cookie(after, cookie(browser))
    assert moved.get("/").json["_user_id"] == "alice"
    assert cookie(moved) == cookie(browser), "nobody gets a new cookie for moving"
    with after.app_context():
        assert sessions.count("alice") == 1
        assert sessions.interface().store.options.max_sessions == 3
    (key,) = server.keys("sess:*")
    assert server.command("TTL", key) <= 420
    assert server.keys("session:*") == [], "it ended in the old store"
