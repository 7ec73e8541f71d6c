"""The examples of docs/flask.md, and the start that the README prints."""

from __future__ import annotations

import re

import pytest

from redis_session_client.flask import RollBack
from tests.flask.site import cookie, with_cookie
from tests.pages import Browser, run, started
from tests.servers import TOP

PAGE = TOP / "docs/flask.md"
LAPTOP, PHONE = {"User-Agent": "laptop"}, {"User-Agent": "phone"}


@pytest.fixture
def page(server):
    pytest.importorskip("flask_session")
    return run(PAGE, server)


def test_set_up(page, server):
    namespace, apps = page
    browser = apps[0].test_client()
    assert browser.get("/visits").text == "visit 1"
    assert browser.get("/visits").text == "visit 2"
    namespace["other"].add_url_rule("/", view_func=namespace["visits"])
    assert namespace["other"].test_client().get("/").text == "visit 1"
    assert len(server.keys("other:*")) == 1


def test_login_and_devices(page, caplog):
    app = page[1][1]
    laptop, phone = app.test_client(), app.test_client()
    laptop.post("/login/alice", headers=LAPTOP)
    before = cookie(laptop)
    phone.post("/login/alice", headers=PHONE)
    shown = laptop.get("/devices").text
    assert "alice is signed in on 2 devices" in shown
    assert re.search(r"laptop at 127.0.0.1, last seen [^<]*\(this one\)", shown, re.DOTALL)
    (action,) = re.findall(r'action="(/devices/[^"]+/sign-out)"', shown)
    assert laptop.post(action).status_code == 302
    assert phone.get("/devices").status_code == 401
    assert phone.post("/devices/sign-out-others").status_code == 401
    phone.post("/login/alice", headers=PHONE)
    laptop.post("/devices/sign-out-others")
    assert "on 1 devices" in laptop.get("/devices").text
    phone.post("/login/alice", headers=PHONE)
    laptop.post("/password")
    assert cookie(laptop) != before
    assert "on 1 devices" in laptop.get("/devices").text
    laptop.post("/logout")
    assert cookie(laptop) is None


def test_cap(page):
    app = page[1][2]
    browsers = [app.test_client() for _ in range(3)]
    assert [browser.post("/login/alice").status_code for browser in browsers] == [200, 200, 403]


def test_how_long(page, server):
    app = page[1][3]
    short, long = app.test_client(), app.test_client()
    short.post("/login/alice/no")
    (key,) = server.keys()
    assert server.command("TTL", key) <= 1800
    info = server.command("SESSION.INFO", key)
    assert info[info.index("lifetime") + 1] == 8 * 3600 * 1000
    assert "Expires" in long.post("/login/bob/yes").headers["Set-Cookie"]
    key = next(other for other in server.keys("*") if other != key)
    assert server.command("TTL", key) > 29 * 86400


def test_step_up(page):
    browser = page[1][3].test_client()
    browser.post("/login/alice/no")
    assert browser.get("/account/close").status_code == 403
    assert browser.post("/confirm", follow_redirects=True).text == "Really?"


def test_clients(page, sentinel, cluster):
    namespace, _ = page
    for interface in (
        namespace["of_sentinel"](sentinel.address, sentinel.name),
        namespace["of_cluster"]("127.0.0.1", cluster.port),
    ):
        app = namespace["Flask"]("clients")
        app.session_interface = interface
        app.add_url_rule("/", view_func=namespace["visits"])
        browser = app.test_client()
        browser.get("/")
        assert browser.get("/").text == "visit 2"


def test_server_down(page):
    app = page[1][3]
    app.session_interface.store.client.connection_pool.connection_kwargs["port"] = 1
    app.session_interface.store.client.connection_pool.disconnect()
    assert with_cookie(app, "an-id-of-ours").get("/account/close").status_code == 503


def test_moving(page):
    namespace, apps = page
    from_flask_session, from_cookies = apps[4], apps[5]
    from_flask_session.add_url_rule("/", view_func=namespace["visits"])
    browser = from_flask_session.test_client()
    browser.get("/")
    assert browser.get("/").text == "visit 2"
    assert isinstance(from_cookies.session_interface, RollBack)
    from_cookies.add_url_rule("/", view_func=namespace["visits"])
    browser = from_cookies.test_client()
    browser.get("/")
    assert with_cookie(from_cookies, cookie(browser)).get("/").text == "visit 2"


def test_the_start_in_the_readme(tmp_path, server):
    """Two browsers log in, both see both devices, one signs the other out."""
    with started("Flask", tmp_path, server) as site:
        laptop, phone = Browser(site, "laptop"), Browser(site, "phone")
        assert "Log in" in laptop.get("/")
        laptop.post("/login", user="alice")
        phone.post("/login", user="alice")
        shown = laptop.get("/")
        assert "alice is signed in on" in shown
        assert re.search(r"laptop\s+\(this one\)", shown)
        assert re.search(r"phone\s+<button>Sign out", shown)
        (action,) = re.findall(r'action="([^"]+)">\s*phone', shown)
        assert "phone" not in laptop.post(action)
        assert "Log in" in phone.post(action), "its page is still open, and it presses a button"
        assert "Log in" in phone.get("/")
