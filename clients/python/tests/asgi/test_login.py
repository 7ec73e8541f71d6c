"""Logging in and out: whose the session is, its new id, what requests under way see of that."""

from __future__ import annotations

import asyncio

import anyio.from_thread
import anyio.to_thread
import pytest
from httpx import ASGITransport, AsyncClient
from starlette.responses import PlainTextResponse

from redis_session_client.asgi import count, save
from tests.asgi.site import visit


def test_a_login_gets_a_new_id_and_the_old_one_reads_on(site):
    app = site()
    browser = visit(app)
    browser.get("/set/cart/17")
    before = browser.cookies["session"]
    browser.get("/login/alice")
    assert browser.cookies["session"] != before
    late = visit(app, before)
    assert late.get("/").json() == {"cart": "17"}
    assert "Set-Cookie" not in late.get("/set/cart/18").headers
    assert "Set-Cookie" not in late.get("/logout").headers
    assert browser.get("/").json()["cart"] == "17"


def test_two_logins_at_once_both_work(site):
    app = site()
    browser = visit(app)
    browser.get("/set/cart/17")
    second = visit(app, browser.cookies["session"])
    browser.get("/login/alice")
    second.get("/login/alice")
    assert second.get("/count/alice").json() == 2


def test_a_logout_by_the_old_id_of_a_user_ends_the_visit(site):
    app = site()
    browser = visit(app)
    browser.get("/login/alice")
    late = visit(app, browser.cookies["session"])
    browser.get("/rotate")
    assert browser.cookies["session"] != late.cookies["session"]
    assert "session=null" in late.get("/logout").headers["Set-Cookie"]


async def test_the_race_at_login_leaves_the_browser_logged_in(site):
    app = site()
    transport = ASGITransport(app)
    async with AsyncClient(transport=transport, base_url="http://site") as browser:
        await browser.get("/set/cart/17")
        old = browser.cookies["session"]

        async def late():
            async with AsyncClient(transport=transport, base_url="http://site", cookies={"session": old}) as other:
                return await other.get("/set/seen/1")

        answers = await asyncio.gather(*(late() for _ in range(4)), browser.get("/login/alice"))
        assert [answer.status_code for answer in answers] == [200] * 5
        assert not any("null" in answer.headers.get("Set-Cookie", "") for answer in answers)
        assert (await browser.get("/")).json()["user_id"] == "alice"


def test_nothing_comes_back_from_the_dead(site, server):
    browser = visit(site())
    browser.get("/login/alice")
    response = browser.get("/sign-out-all")
    assert response.json() == 1
    assert "Set-Cookie" not in response.headers
    assert server.keys() == []
    assert browser.get("/").json() == {}


def test_who_logs_in_while_the_session_ends_gets_a_new_one(site, server):
    async def slow(request):
        request.session["user_id"] = "alice"
        server.command("FLUSHALL")
        return PlainTextResponse("")

    browser = visit(site(more={"/slow": slow}))
    browser.get("/set/cart/17")
    browser.get("/slow")
    assert browser.get("/").json()["user_id"] == "alice"


def test_the_user_is_followed(site):
    browser = visit(site(user=lambda session: session.get("account"), user_prefix="shop:"))
    browser.get("/set/account/42")
    assert browser.get("/count/42").json() == 1
    browser.get("/set/account/43")
    assert (browser.get("/count/42").json(), browser.get("/count/43").json()) == (0, 1)


def test_who_binds_users_elsewhere_keeps_them(site, server):
    browser = visit(site(user=None))
    browser.get("/set/a/1")
    (key,) = server.keys()
    server.command("SESSION.SET", key, "USER", "alice")
    browser.get("/set/a/2")
    assert browser.get("/devices").json()[0]["current"]


def test_cap_that_ends_the_oldest(site):
    app = site(max_sessions=2)
    browsers = [visit(app) for _ in range(3)]
    for browser in browsers:
        browser.get("/login/alice")
    assert [bool(browser.get("/").json()) for browser in browsers] == [False, True, True]


def test_cap_that_refuses(site, server):
    app = site(max_sessions=1, on_limit="reject")
    first, second = visit(app), visit(app, raise_server_exceptions=False)
    second.get("/set/cart/17")
    with server.counting() as calls:
        assert first.get("/polite/alice").text == "welcome"
    assert calls == {"session.set": 1}, "what is saved in the endpoint is not saved again"
    assert second.get("/polite/alice").status_code == 403
    assert second.get("/login/alice").status_code == 500, "after the endpoint there is nobody to take the exception"
    assert second.get("/").json() == {"cart": "17"}


def test_an_endpoint_in_a_thread(site, server):
    def in_thread(request):
        request.session["user_id"] = "alice"
        anyio.from_thread.run(save, request)
        return PlainTextResponse(str(anyio.from_thread.run(count, request)))

    with server.counting() as calls:
        assert visit(site(more={"/thread": in_thread})).get("/thread").text == "1"
    assert calls == {"session.set": 1, "session.count": 1}


def test_step_up(site):
    app = site()
    browser = visit(app)
    browser.get("/login/alice")
    before = browser.cookies["session"]
    assert browser.get("/danger").json() is False
    browser.get("/confirm")
    assert browser.get("/danger").json() is True
    assert visit(app, before).get("/danger").json() is False, "not with the id from before"


def test_who_logs_in_next_is_not_stepped_up(site):
    browser = visit(site())
    browser.get("/login/mallory")
    browser.get("/confirm")
    assert browser.get("/danger").json() is True
    browser.get("/take/user_id")  # a logout that leaves the rest where it is
    assert browser.get("/danger").json() is False
    browser.get("/login/alice")
    assert browser.get("/danger").json() is False


def test_a_request_that_empties_the_session_while_its_browser_logs_in(site):
    async def slow(request):
        del request.session["note"]
        await anyio.to_thread.run_sync(browser.get, "/login/alice")
        return PlainTextResponse("")

    app = site(more={"/slow": slow})
    browser = visit(app)
    browser.get("/set/note/saved")
    late = visit(app, browser.cookies["session"])
    assert "Set-Cookie" not in late.get("/slow").headers, "it would take the cookie away that the login has set"
    assert browser.get("/").json()["user_id"] == "alice"


def test_devices(site):
    app = site()
    browsers = {agent: visit(app, headers={"User-Agent": agent}) for agent in ("phone", "laptop", "tablet")}
    for browser in browsers.values():
        browser.get("/login/alice")
    stranger = visit(app)
    stranger.get("/login/bob")
    found = browsers["phone"].get("/devices").json()
    assert {one["device"]["agent"]: one["current"] for one in found} == {
        "phone": True,
        "laptop": False,
        "tablet": False,
    }
    assert found[0]["device"]["ip"] == "testclient"
    handle = {one["device"]["agent"]: one["handle"] for one in found}
    assert stranger.get(f"/sign-out/{handle['phone']}").json() is False
    assert browsers["phone"].get(f"/sign-out/{handle['laptop']}").json() is True
    assert browsers["laptop"].get("/").json() == {}
    assert browsers["phone"].get("/sign-out-others").json() == 1
    assert browsers["tablet"].get("/").json() == {}
    assert browsers["phone"].get("/").json()["user_id"] == "alice"


def test_nobodys_sessions(site):
    with pytest.raises(ValueError, match="no user"):
        visit(site()).get("/devices")
