"""The examples of docs/starlette.md."""

from __future__ import annotations

import re

import pytest

from tests.asgi.site import visit
from tests.pages import Browser, run, started
from tests.servers import TOP

PAGE = TOP / "docs/starlette.md"
LAPTOP, PHONE = {"User-Agent": "laptop"}, {"User-Agent": "phone"}


@pytest.fixture
def page(server):
    pytest.importorskip("fastapi")
    pytest.importorskip("itsdangerous")
    return run(PAGE, server)


def test_set_up(page):
    for app in page[1][:2]:
        browser = visit(app)
        assert browser.get("/visits").json() == {"visits": 1}
        assert browser.get("/visits").json() == {"visits": 2}


def test_login_and_devices(page):
    app = page[1][2]
    laptop, phone = visit(app, headers=LAPTOP), visit(app, headers=PHONE)
    laptop.post("/login/alice")
    before = laptop.cookies["session"]
    phone.post("/login/alice")
    shown = laptop.get("/devices").text
    assert re.search(r"<li>laptop at testclient, last seen [^<]*\(this one\)</li>", shown)
    (action,) = re.findall(r'action="(/devices/[^"]+/sign-out)"', shown)
    assert laptop.post(action).text.count("<li>") == 1
    assert phone.get("/devices").status_code == 401
    assert phone.post("/devices/sign-out-others").status_code == 401
    phone.post("/login/alice")
    assert laptop.post("/devices/sign-out-others").text.count("<li>") == 1
    laptop.post("/password")
    assert laptop.cookies["session"] != before
    assert laptop.get("/devices").text.count("<li>") == 1
    laptop.post("/logout")
    assert "session" not in laptop.cookies


async def test_outside_of_requests(page, server):
    namespace, apps = page
    close_account = namespace["close_account_of"]
    visit(apps[2]).post("/login/alice")
    assert await close_account("alice", server.url) == 1


def test_cap(page):
    browsers = [visit(page[1][3]) for _ in range(3)]
    assert [browser.post("/login/alice").status_code for browser in browsers] == [200, 200, 403]


def test_how_long(page, server):
    browser = visit(page[1][4])
    browser.post("/login/alice/false")
    (key,) = server.keys()
    assert server.command("TTL", key) <= 8 * 3600
    assert "Max-Age=2592000" in browser.get("/account/close").headers["Set-Cookie"]
    browser.post("/login/alice/true")


def test_step_up(page):
    browser = visit(page[1][4])
    browser.post("/login/alice/true")
    assert browser.get("/account/close").status_code == 403
    assert browser.post("/confirm").text == "Really?"


def test_web_socket(page):
    from starlette.websockets import WebSocketDisconnect

    _, apps = page
    browser, other = visit(apps[4]), visit(apps[2])
    browser.post("/login/alice/true")
    other.post("/login/alice")
    with browser.websocket_connect("/chat") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "alice: hello"
        other.post("/devices/sign-out-others")
        socket.send_text("still here?")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 4401


def test_a_socket_is_closed_when_its_session_ends(page, server):
    from starlette.websockets import WebSocketDisconnect

    server.command("CONFIG", "SET", "notify-keyspace-events", "Egxed")
    with visit(page[1][5]) as browser:
        browser.post("/login/alice")
        with browser.websocket_connect("/news") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "hello"
            assert browser.post("/sign-out-everywhere").json() == 1
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_text()
            assert (closed.value.code, closed.value.reason) == (4401, "revoked")
        with pytest.raises(WebSocketDisconnect), visit(page[1][5]).websocket_connect("/news") as socket:
            socket.receive_text()


def test_clients(page, sentinel, cluster):
    namespace, _ = page
    of_sentinel = namespace["of_sentinel"](sentinel.address, sentinel.name)
    for client in (of_sentinel, namespace["of_cluster"]("127.0.0.1", cluster.port)):
        browser = visit(namespace["with_client"](client))
        browser.get("/visits")
        assert browser.get("/visits").json() == {"visits": 2}


def test_server_down(page, server):
    app = page[1][6]
    browser = visit(app)
    assert browser.get("/who").json() is None
    server.stop()
    try:
        assert visit(app, "an-id-of-ours").get("/who").status_code == 503
    finally:
        server.start()


def test_moving(page):
    namespace, apps = page
    app = apps[7]
    app.get("/visits")(namespace["visits"])
    browser = visit(app)
    browser.get("/visits")
    back = visit(namespace["back"], browser.cookies["session"])
    response = back.get("/visits")
    assert response.json() == {"visits": 2}
    signed = visit(namespace["back"], response.cookies["session"])
    response = signed.get("/visits")
    assert response.json() == {"visits": 3}
    again = visit(app, response.cookies["session"])
    assert again.get("/visits").json() == {"visits": 4}


def test_the_start_in_the_readme(tmp_path, server):
    """Two browsers log in, both see both devices, one signs the other out."""
    for package in ("fastapi", "multipart", "uvicorn"):
        pytest.importorskip(package)
    with started("Starlette and FastAPI", tmp_path, server) as site:
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
