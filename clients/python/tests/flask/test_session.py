"""flask.session on the module: what is kept, what it costs, when the cookie is sent."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import flask
import pytest
import redis.asyncio
from flask.json.provider import DefaultJSONProvider
from markupsafe import Markup

from redis_session_client.flask import RedisSession, SessionInterface
from tests.flask.site import cookie, make_site, with_cookie

VALUES = {
    "tuple": (1, (2, "three")),
    "bytes": b"\xff\x00",
    "markup": Markup("<b>bold</b>"),
    "uuid": uuid.UUID("12345678123456781234567812345678"),
    "datetime": datetime(2024, 2, 29, 12, 30, tzinfo=timezone.utc),
    "nested": {"list": [(1,), {"deep": b"x"}], " t": "no tag"},
    " t": "a key that looks like a tag",
    " di": {" t": [1]},
    "nul": "\0text",
    "unicode": "Zürich \ud800",
    "none": None,
    "float": 1.5,
    "nan": float("inf"),
}


def test_keeps_flasks_types(site, client_options, server):
    app = site(server.client(**client_options))

    @app.get("/fill")
    def fill():
        flask.session.update(VALUES)
        return ""

    @app.get("/compare")
    def compare():
        found = dict(flask.session)
        assert found == VALUES
        assert {key: type(value) for key, value in found.items()} == {key: type(v) for key, v in VALUES.items()}
        return "same"

    browser = app.test_client()
    browser.get("/fill")
    assert browser.get("/compare").text == "same"
    with server.counting() as calls:
        assert browser.get("/compare").text == "same"
    assert calls == {"session.getex": 1}, "what is unchanged is not written"


def test_values_are_written_by_the_json_of_the_application(site):
    class WithoutNumbersThatAreNone(DefaultJSONProvider):
        def dumps(self, obj, **kwargs):
            return super().dumps(_finite(obj), **kwargs)

    app = site()
    app.json = WithoutNumbersThatAreNone(app)

    @app.get("/fill")
    def fill():
        flask.session.update(text="plain", number=float("nan"))
        return ""

    @app.get("/list")
    def fill_list():
        flask.session["list"] = [float("nan"), 1]
        return ""

    browser = app.test_client()
    browser.get("/fill")
    browser.get("/list")
    with browser.session_transaction() as session:
        assert dict(session) == {"text": "plain", "number": None, "list": [None, 1]}


def _finite(value):
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if value != value else value  # noqa: PLR0124 - NaN is


def test_a_single_value_that_looks_like_a_tag(site):
    app = site()

    @app.get("/fill")
    def fill():
        flask.session[" t"] = ("a",)
        return ""

    browser = app.test_client()
    browser.get("/fill")
    with browser.session_transaction() as session:
        assert dict(session) == {" t": ("a",)}


def test_commands(site, server):
    app = site()
    browser = app.test_client()
    with server.counting() as calls:
        assert browser.get("/").json == {}
        assert browser.get("/plain").status_code == 200
    assert calls == {}, "without a cookie there is nothing to read"
    with server.counting() as calls:
        browser.get("/set/a/1")
    assert calls == {"session.set": 1}
    with server.counting() as calls:
        assert browser.get("/").json == {"a": "1"}
    assert calls == {"session.getex": 1}
    with server.counting() as calls:
        browser.get("/set/a/2")
    assert calls == {"session.getex": 1, "session.set": 1}
    with server.counting() as calls:
        browser.get("/login/alice")
    assert calls == {"session.getex": 1, "session.rotate": 1}
    with server.counting() as calls:
        browser.get("/logout")
    assert calls == {"session.getex": 1, "session.del": 1}
    assert browser.get("/").json == {}


def test_an_unread_session_is_kept_alive_and_costs_nothing_where_that_is_off(site, server):
    app = site()
    browser = app.test_client()
    browser.get("/set/a/1")
    with server.counting() as calls:
        assert "Vary" not in browser.get("/plain").headers
    assert calls == {"session.getex": 1}
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    with server.counting() as calls:
        browser.get("/plain")
    assert calls == {}


def test_changes_inside_of_values_are_saved(site):
    browser = site().test_client()
    browser.get("/add/one")
    browser.get("/add/two")
    assert browser.get("/").json == {"list": ["one", "two"]}


def test_two_tabs_keep_both_changes(site):
    app = site()

    @app.get("/slow/<key>")
    def slow(key):
        flask.session[key] = "slow"
        with_cookie(app, flask.request.cookies["session"]).get("/set/fast/1")
        return ""

    browser = app.test_client()
    browser.get("/set/a/1")
    browser.get("/slow/b")
    assert browser.get("/").json == {"a": "1", "b": "slow", "fast": "1"}


def test_what_another_tab_writes_outlives_the_one_that_takes_the_last_value(site, server):
    app = site()
    browser = app.test_client()

    @app.get("/slow")
    def slow():
        del flask.session["note"]
        browser.get("/set/cart/17")
        return ""

    browser.get("/set/note/saved")
    tab = with_cookie(app, cookie(browser))
    tab.get("/slow")
    assert tab.get("/").json == browser.get("/").json == {"cart": "17"}
    with server.counting() as calls:
        assert "session=;" in browser.get("/take/cart").headers["Set-Cookie"]
    assert calls == {"session.getex": 1, "session.set": 1}
    assert server.keys() == []


def test_clear_and_fill_again_drops_what_others_wrote(site):
    app = site()

    @app.get("/anew")
    def anew():
        flask.session.clear()
        with_cookie(app, flask.request.cookies["session"]).get("/set/fast/1")
        flask.session["new"] = "1"
        return ""

    browser = app.test_client()
    browser.get("/set/a/1")
    browser.get("/anew")
    assert browser.get("/").json == {"new": "1"}


def test_an_unknown_cookie_gets_a_new_id(site, server):
    app = site()
    for brought in ("made-up-by-somebody", "../../etc", "x" * 1000, ""):
        browser = with_cookie(app, brought)
        assert "Set-Cookie" not in browser.get("/").headers
        browser.get("/set/a/1")
        assert cookie(browser) not in (brought, None)
        assert browser.get("/").json == {"a": "1"}
    assert len(server.keys()) == 4


def test_the_id_is_hashed_at_rest(site, server):
    browser = site().test_client()
    browser.get("/set/a/1")
    assert cookie(browser) not in server.keys()[0]
    plain = site(hash_keys=False, prefix="plain:").test_client()
    plain.get("/set/a/1")
    assert server.keys("plain:*") == [f"plain:{cookie(plain)}"]


def test_timeouts(site, server):
    app = site(idle=60)
    app.permanent_session_lifetime = timedelta(hours=5)

    @app.get("/remember/<int:on>")
    def remember(on):
        flask.session.permanent = bool(on)
        return ""

    browser = app.test_client()
    browser.get("/set/a/1")
    (key,) = server.keys()
    assert 50 < server.command("TTL", key) <= 60
    response = browser.get("/remember/1")
    assert "Expires=" in response.headers["Set-Cookie"]
    assert 60 < server.command("TTL", key) <= 5 * 3600
    assert "Expires=" in browser.get("/plain").headers["Set-Cookie"], "SESSION_REFRESH_EACH_REQUEST"
    assert "Expires=" not in browser.get("/remember/0").headers["Set-Cookie"]
    assert server.command("TTL", key) <= 60


def test_a_timeout_that_the_server_does_not_know_is_not_set_again_and_again(site, server):
    app = site()
    app.permanent_session_lifetime = timedelta(days=36500)
    browser = app.test_client()
    browser.get("/set/a/1")
    with server.counting() as calls:
        assert browser.get("/").json == {"a": "1"}
    assert calls == {"session.getex": 1}


def test_permanent_by_default_and_the_lifetime_of_flask(site, server):
    browser = site(permanent=True).test_client()
    response = browser.get("/set/a/1")
    assert "Expires=" in response.headers["Set-Cookie"]
    assert browser.get("/").json == {"a": "1"}
    assert server.command("TTL", server.keys()[0]) > 30 * 86400


def test_absolute_limit(site, server):
    app = site(lifetime=timedelta(hours=8))

    @app.get("/shorter")
    def shorter():
        app.session_interface.set_lifetime(flask.session, 600)
        return ""

    browser = app.test_client()
    browser.get("/set/a/1")
    (key,) = server.keys()
    assert 7 * 3600 < server.command("TTL", key) <= 8 * 3600
    browser.get("/shorter")
    assert server.command("TTL", key) <= 600
    assert browser.get("/").json == {"a": "1"}


def test_the_session_is_a_dict_in_all_but_name(site):
    app = site()
    browser = app.test_client()
    browser.get("/set/a/1")
    with app.test_request_context(headers={"Cookie": f"session={cookie(browser)}"}):
        session: Any = flask.session
        assert repr(session) == "<Session not read yet>"
        assert not session.new
        assert session == {"a": "1"}
        assert repr(session) == "<Session {'a': '1'}>"
        assert session.copy() | {"b": 2} == session | {"b": 2} == {"b": 2} | session
        assert session.sid == cookie(browser)
        assert session.pop("nothing", None) is None
        assert not session.modified
        session |= {"c": 3}
        assert session.pop("c") == 3
        assert session.modified
    with app.test_request_context():
        session = flask.session
        assert session.new
        assert session.sid is None


def test_what_cannot_be_decoded_is_no_session(site, server, caplog):
    browser = site().test_client()
    browser.get("/set/a/1")
    (key,) = server.keys()
    server.command("SESSION.SET", key, "JSON", '{"a": {" u": "this is no UUID"}}')
    assert browser.get("/").json == {}
    assert "could not be decoded" in caplog.text
    browser.get("/set/a/2")
    assert browser.get("/").json == {"a": "2"}


def test_no_secret_key_is_needed_and_another_interface_is_told(site):
    app = flask.Flask(__name__)
    interface = SessionInterface("redis://127.0.0.1:1")
    with app.test_request_context(), pytest.raises(TypeError, match="session_interface"):
        interface.regenerate(flask.session)


def test_an_option_that_does_not_exist(server):
    with pytest.raises(TypeError, match="max_session"):
        make_site(server.url, max_session=3)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SESSION_REDIS_MAXSESSIONS", 3, "SESSION_REDIS_MAXSESSIONS is no option; there are SESSION_REDIS_CONFLICT,"),
        ("SESSION_REDIS_IDLE", "an hour", "`idle` is seconds, a timedelta, or None; not 'an hour'"),
        ("SESSION_REDIS_LIFETIME", "", "`lifetime` is seconds, a timedelta, or None; not ''"),
        ("SESSION_REDIS_PERMANENT", "False", "permanent is True or False, not 'False'"),
        ("SESSION_REDIS_DEVICE", False, "`device` is a function, or None to note nothing; not False"),
        ("SESSION_REDIS_MAX_SESSIONS", "3", "max_sessions is 1 or more, a whole number, or None; not '3'"),
        ("SESSION_REDIS_HASH_KEYS", None, "hash_keys is True or False, not None"),
        ("SESSION_REDIS_PREFIX", None, "prefix is a string, not None"),
        ("SESSION_REDIS_USER", 5, "`user` is a key of the session"),
        ("SESSION_REDIS_MIGRATE_FROM", "flask_session", "migrate_from is a session interface"),
        ("SESSION_REDIS", {"url": "redis://localhost"}, "is a URL or a client of redis-py, not dict"),
    ],
)
def test_a_configuration_that_cannot_be(server, name, value, said):
    app = flask.Flask(__name__)
    app.config.update({"SESSION_REDIS": server.url, name: value})
    with pytest.raises((TypeError, ValueError), match=said):
        RedisSession(app)


def test_a_client_of_asyncio(server):
    with pytest.raises(TypeError, match="without asyncio"):
        make_site(redis.asyncio.Redis())


def test_a_user_that_is_no_name(site):
    app = site(user="who")

    @app.get("/wrong")
    def wrong():
        flask.session["who"] = {"name": "alice"}
        return ""

    with pytest.raises(TypeError, match="option `user`"):
        app.test_client().get("/wrong")
