"""Logging in and out: whose the session is, its new id, what requests under way see of that."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import flask
import pytest

from redis_session_client import SessionLimit
from redis_session_client.flask import session_gone
from tests.flask.site import cookie, interface, with_cookie


def user_of(server: Any, key: str) -> Any:
    return dict(zip(*[iter(server.command("SESSION.INFO", key))] * 2, strict=True))["user"]


def test_a_login_gets_a_new_id_and_the_old_one_reads_on(site, server):
    app = site()
    browser = app.test_client()
    browser.get("/set/cart/17")
    before = cookie(browser) or ""
    browser.get("/login/alice")
    after = cookie(browser) or ""
    assert after != before
    assert after[:4] == before[:4], "one slot of a cluster"
    late = with_cookie(app, before)
    with server.counting() as calls:
        response = late.get("/")
    assert response.json == {"cart": "17"}, "the snapshot from before the login"
    assert calls == {"session.getex": 1}
    response = late.get("/set/cart/18")
    assert "Set-Cookie" not in response.headers, "a request with the old id leaves the cookie alone"
    assert browser.get("/").json["cart"] == "17", "and what it writes is dropped"


def test_a_logout_by_an_anonymous_snapshot_leaves_the_new_session(site):
    app = site()
    browser = app.test_client()
    browser.get("/set/cart/17")
    late = with_cookie(app, cookie(browser))
    browser.get("/login/alice")
    assert "Set-Cookie" not in late.get("/logout").headers
    assert browser.get("/").json["_user_id"] == "alice"


def test_a_logout_by_the_old_id_of_a_user_ends_the_visit(site):
    app = site()
    browser = app.test_client()
    browser.get("/login/alice")
    late = with_cookie(app, cookie(browser))
    browser.get("/regenerate")
    assert cookie(browser) != cookie(late)
    assert "session=;" in late.get("/logout").headers["Set-Cookie"]


def test_two_logins_at_once_both_work(site, server):
    app = site()
    browser = app.test_client()
    browser.get("/set/cart/17")
    second = with_cookie(app, cookie(browser))
    browser.get("/login/alice")
    second.get("/login/alice")
    assert cookie(second) != cookie(browser)
    assert second.get("/").json["_user_id"] == browser.get("/").json["_user_id"] == "alice"
    assert app.session_interface.count("alice") == 2


def test_no_grace(site):
    app = site(rotation_grace=0)
    browser = app.test_client()
    browser.get("/set/cart/17")
    late = with_cookie(app, cookie(browser))
    browser.get("/login/alice")
    assert late.get("/").json == {}


def test_the_user_is_followed(site, server):
    app = site()
    browser = app.test_client()
    browser.get("/login/alice")
    assert app.session_interface.count("alice") == 1
    browser.get("/login/bob")
    assert (app.session_interface.count("alice"), app.session_interface.count("bob")) == (0, 1)
    with browser.session_transaction() as session:
        del session["_user_id"]
    assert app.session_interface.count("bob") == 0
    live = [key for key in server.keys("*") if server.command("SESSION.TOUCH", key)]
    assert [user_of(server, key) for key in live] == [None]


def test_another_user_does_not_inherit_what_parallel_requests_of_the_former_one_write(site):
    app = site()

    @app.get("/change")
    def change():
        flask.session.clear()
        flask.session["_user_id"] = "bob"
        with_cookie(app, flask.request.cookies["session"]).get("/set/secret/alices")
        return ""

    browser = app.test_client()
    browser.get("/login/alice")
    browser.get("/change")
    assert "secret" not in browser.get("/").json


def test_a_parallel_logout_wins(site):
    app = site()

    @app.get("/slow")
    def slow():
        flask.session["slow"] = 1
        with with_cookie(app, flask.request.cookies["session"]).session_transaction() as session:
            del session["_user_id"]
        return ""

    browser = app.test_client()
    browser.get("/login/alice")
    browser.get("/slow")
    assert "_user_id" not in browser.get("/").json
    assert app.session_interface.count("alice") == 0


def test_nothing_comes_back_from_the_dead(site, server):
    app = site()
    told = []

    @app.get("/slow")
    def slow():
        flask.session["slow"] = 1
        interface().sign_out("alice")
        interface().save(flask.session)
        return ""

    browser = app.test_client()
    browser.get("/login/alice")
    with session_gone.connected_to(lambda _, session: told.append(session["slow"]), app):
        response = browser.get("/slow")
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
    assert told == [1], "once"
    assert server.keys() == []
    assert browser.get("/").json == {}


def test_who_logs_in_while_the_session_ends_gets_a_new_one(site, server):
    app = site()

    @app.get("/slow-login")
    def slow_login():
        flask.session["_user_id"] = "alice"
        server.command("FLUSHALL")
        return ""

    browser = app.test_client()
    browser.get("/set/cart/17")
    before = cookie(browser) or ""
    browser.get("/slow-login")
    assert (cookie(browser) or "")[:4] != before[:4]
    assert browser.get("/").json["_user_id"] == "alice"


def test_user_by_a_function_and_a_number(site, server):
    app = site(user=lambda session: session.get("account", {}).get("id"), user_prefix="shop:")

    @app.get("/account")
    def account():
        flask.session["account"] = {"id": 42}
        return ""

    browser = app.test_client()
    browser.get("/account")
    assert user_of(server, server.keys()[0]) == "shop:42"
    assert app.session_interface.count(42) == 1
    with server.counting() as calls:
        browser.get("/account")
    assert calls == {"session.getex": 1}, "the same user is no new one"


def test_who_binds_users_elsewhere_keeps_them(site, server):
    app = site(user=None)
    browser = app.test_client()
    browser.get("/set/a/1")
    (key,) = server.keys()
    server.command("SESSION.SET", key, "USER", "alice")
    browser.get("/set/a/2")
    assert user_of(server, key) == "alice"


def test_cap_that_ends_the_oldest(site):
    app = site(max_sessions=2)
    browsers = [app.test_client() for _ in range(3)]
    for browser in browsers:
        browser.get("/login/alice")
    assert [bool(browser.get("/").json) for browser in browsers] == [False, True, True]


def test_cap_that_refuses(site, server):
    app = site(max_sessions=1, on_limit="reject")

    @app.get("/polite/<user>")
    def polite(user):
        flask.session["_user_id"] = user
        try:
            interface().save(flask.session)
        except SessionLimit:
            del flask.session["_user_id"]
            flask.session["refused"] = "1"
            return "sign out another device first", 403
        return "welcome"

    first, second = app.test_client(), app.test_client()
    second.get("/set/cart/17")
    with server.counting() as calls:
        assert first.get("/polite/alice").text == "welcome"
    assert calls == {"session.set": 1}, "what is saved in the view is not saved again"
    assert second.get("/polite/alice").status_code == 403
    assert second.get("/").json == {"cart": "17", "refused": "1"}
    app.testing = False
    assert second.get("/login/alice").status_code == 500, "after the view there is nobody to take the exception"
    assert second.get("/").json["cart"] == "17"


def test_step_up(site):
    app = site()

    @app.get("/confirm")
    def confirm():
        interface().step_up(flask.session, timedelta(minutes=5))
        return ""

    @app.get("/danger")
    def danger():
        return str(interface().stepped_up(flask.session))

    browser = app.test_client()
    browser.get("/login/alice")
    before = cookie(browser)
    assert browser.get("/danger").text == "False"
    browser.get("/confirm")
    assert cookie(browser) != before
    assert browser.get("/danger").text == "True"
    assert with_cookie(app, before).get("/danger").text == "False", "not with the id from before"
    with browser.session_transaction() as session:
        session["_step_up"][1] -= 301
    assert browser.get("/danger").text == "False"


def test_who_logs_in_next_is_not_stepped_up(site):
    app = site()

    @app.get("/confirm")
    def confirm():
        interface().step_up(flask.session)
        return str(interface().stepped_up(flask.session))

    @app.get("/danger")
    def danger():
        return str(interface().stepped_up(flask.session))

    @app.get("/leave")
    def leave():
        del flask.session["_user_id"]  # as Flask-Login does, which leaves the rest where it is
        return ""

    browser = app.test_client()
    browser.get("/login/mallory")
    assert browser.get("/confirm").text == "True"
    browser.get("/leave")
    assert browser.get("/danger").text == "False"
    browser.get("/login/alice")  # by a stolen "remember me" cookie, say
    assert browser.get("/danger").text == "False"


def test_flask_login(site, server):
    flask_login = pytest.importorskip("flask_login")
    app = site()
    app.secret_key = "for Flask-Login's own cookies"
    manager = flask_login.LoginManager(app)

    class User:
        is_active = is_authenticated = True
        is_anonymous = False

        def __init__(self, name: str) -> None:
            self.name = name

        def get_id(self) -> str:
            return self.name

    manager.user_loader(User)

    @app.get("/enter/<user>")
    def enter(user):
        flask_login.login_user(User(user))
        return ""

    @app.get("/leave")
    def leave():
        flask_login.logout_user()
        return ""

    @app.get("/who")
    @flask_login.login_required
    def who():
        return flask_login.current_user.name

    browser = app.test_client()
    browser.get("/set/cart/17")
    before = cookie(browser)
    with server.counting() as calls:
        browser.get("/enter/alice")
    assert calls.total() <= 3
    assert cookie(browser) != before
    with server.counting() as calls:
        assert browser.get("/who").text == "alice"
    assert calls == {"session.getex": 1}
    (device,) = app.session_interface.devices("alice")
    assert device.device == {"ip": "127.0.0.1", "agent": browser.get("/agent").text}
    browser.get("/leave")
    assert browser.get("/who").status_code == 401
    assert app.session_interface.count("alice") == 0
    assert browser.get("/").json["cart"] == "17"


def test_the_race_at_login_leaves_the_browser_logged_in(site):
    """A page's parallel requests with the old cookie, in all orders around the login."""
    app = site()
    browser = app.test_client()
    browser.get("/set/cart/17")
    old = cookie(browser)
    together = threading.Barrier(5)
    answers = []

    def parallel():
        late = with_cookie(app, old)
        together.wait()
        answers.append(late.get("/set/seen/1"))

    threads = [threading.Thread(target=parallel) for _ in range(4)]
    for thread in threads:
        thread.start()
    together.wait()
    browser.get("/login/alice")
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert not any("session=;" in answer.headers.get("Set-Cookie", "") for answer in answers)
    assert browser.get("/").json["_user_id"] == "alice"


def test_a_request_that_empties_the_session_while_its_browser_logs_in(site, server):
    app = site()
    browser = app.test_client()

    @app.get("/slow")
    def slow_page():
        del flask.session["note"]
        browser.get("/login/alice")
        return ""

    browser.get("/set/note/saved")
    slow = with_cookie(app, cookie(browser))
    answer = slow.get("/slow")
    assert "Set-Cookie" not in answer.headers, "it would take the cookie away that the login has set"
    assert browser.get("/").json["_user_id"] == "alice"
    assert with_cookie(app, cookie(slow)).get("/").json == {"note": "saved"}, "the snapshot stays, too"


@pytest.mark.parametrize("nobody", [None, ""])
def test_nobodys_sessions(site, nobody):
    with pytest.raises(ValueError, match="no user"):
        site().session_interface.devices(nobody)
