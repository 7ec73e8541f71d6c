"""Moving in from the signed cookies of Starlette's own middleware."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarlettesOwn
from starlette.routing import Route

from tests.asgi.site import PAGES, visit

pytest.importorskip("itsdangerous")


@pytest.fixture
def before():
    routes = [Route(path, page) for path, page in PAGES.items()]
    return Starlette(routes=routes, middleware=[Middleware(StarlettesOwn, secret_key="old")])


def test_nobody_is_logged_out(before, site, server):
    old = visit(before)
    old.get("/login/alice")
    old.get("/set/cart/17")
    app = site(secret_key="old")
    browser, at_once = visit(app, old.cookies["session"]), visit(app, old.cookies["session"])
    response = browser.get("/")
    assert response.json() == {"user_id": "alice", "cart": "17"}
    moved = response.cookies["session"]
    assert moved != old.cookies["session"], "the browser gets an id instead of the signed data"
    assert at_once.get("/").cookies["session"] == moved, "requests that come together find one session"
    browser = visit(app, moved)
    with server.counting() as calls:
        assert browser.get("/").json() == {"user_id": "alice", "cart": "17"}
    assert calls == {"session.getex": 1}
    assert browser.get("/count/alice").json() == 1
    browser.get("/logout")
    assert visit(app, moved).get("/").json() == {}


def test_a_request_that_comes_together_with_the_login_gets_no_cookie(before, site):
    old = visit(before)
    old.get("/set/cart/17")
    app = site(secret_key="old")
    browser, late = visit(app, old.cookies["session"]), visit(app, old.cookies["session"])
    browser.get("/login/alice")
    response = late.get("/")
    assert response.json() == {"cart": "17"}
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("key", ["another", None])
def test_a_cookie_that_this_key_has_not_signed(before, site, server, key):
    old = visit(before)
    old.get("/login/alice")
    assert visit(site(secret_key=key), old.cookies["session"]).get("/").json() == {}
    assert server.keys() == []


def test_a_cookie_that_is_too_old(before, site):
    old = visit(before)
    old.get("/login/alice")
    assert visit(site(secret_key="old", max_age=-1), old.cookies["session"]).get("/").json() == {}
