"""request.session on the module: what is kept, what it costs, when the cookie is sent."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio

from redis_session_client import BytesCodec
from redis_session_client.asgi import Session, SessionMiddleware, devices
from tests.asgi.site import make_site, visit
from tests.servers import wait_for


def test_commands(site, server):
    browser = visit(site())
    with server.counting() as calls:
        assert browser.get("/").json() == {}
    assert calls == {}, "without a cookie there is nothing to read"
    with server.counting() as calls:
        browser.get("/set/a/1")
    assert calls == {"session.set": 1}
    with server.counting() as calls:
        response = browser.get("/")
    assert response.json() == {"a": "1"}
    assert response.headers["Vary"] == "Cookie"
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
    assert "session" not in browser.cookies


@pytest.fixture(params=["url", "cluster"])
def options(request, server):
    if request.param == "url":
        return {"url": server.url}
    cluster = request.getfixturevalue("cluster")
    return {"client": lambda: redis.asyncio.RedisCluster.from_url(cluster.url)}


def test_protocols(server, client_options):
    browser = visit(make_site(client=lambda: redis.asyncio.Redis(port=server.port, **client_options)))
    browser.get("/set/unicode/Zürich")
    browser.get("/login/alice")
    assert browser.get("/").json()["unicode"] == "Zürich"
    assert browser.get("/devices").json()[0]["current"]


def test_clients(options):
    browser = visit(make_site(**options))
    browser.get("/set/a/1")
    browser.get("/login/alice")
    assert browser.get("/").json().items() >= {"a": "1", "user_id": "alice"}.items()
    with browser:
        assert browser.get("/devices").json()[0]["current"]


async def test_a_client_of_ones_own_in_ones_own_loop(server):
    from httpx import ASGITransport, AsyncClient

    client = redis.asyncio.Redis(port=server.port)
    app = make_site(client=client)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://site") as browser:
        await browser.get("/set/a/1")
        assert (await browser.get("/")).json() == {"a": "1"}
    await client.aclose()


def test_a_client_for_each_loop_and_none_is_left_open(site, server):
    """Without `with`, the test client has a loop for each request."""
    app = site()
    browser = visit(app)
    open_before = len(server.command("CLIENT", "LIST").splitlines())
    browser.get("/set/a/1")
    for _ in range(5):
        browser.get("/")
    wait_for(lambda: len(server.command("CLIENT", "LIST").splitlines()) == open_before, what="closed connections")
    with browser:
        browser.get("/")
        made_before = connections_made(server)
        for _ in range(5):
            browser.get("/")
        assert connections_made(server) == made_before, "one loop has one client"


def connections_made(server):
    lines = server.command("INFO", "stats").splitlines()
    return next(line for line in lines if line.startswith("total_connections_received"))


def test_changes_inside_of_values_are_saved(site, server):
    browser = visit(site())
    browser.get("/add/one")
    browser.get("/append/two")
    with server.counting() as calls:
        assert browser.get("/").json() == {"list": ["one", "two"]}
    assert calls == {"session.getex": 1}, "what is unchanged is not written"


def test_two_tabs_keep_both_changes(site):
    async def slow(request):
        from starlette.responses import PlainTextResponse

        request.session["slow"] = "1"
        store = request.session.store
        other = await store.load(request.cookies["session"])
        await store.save(other, {**other.data(), "fast": "1"})
        return PlainTextResponse("")

    browser = visit(site(more={"/slow": slow}))
    browser.get("/set/a/1")
    browser.get("/slow")
    assert browser.get("/").json() == {"a": "1", "slow": "1", "fast": "1"}


def test_an_unknown_cookie_gets_a_new_id(site, server):
    app = site()
    for brought in ("made-up-by-somebody", "../../etc", "x" * 1000):
        browser = visit(app)
        headers = {"Cookie": f"other=1; session={brought}"}
        assert "Set-Cookie" not in browser.get("/", headers=headers).headers
        browser.get("/set/a/1", headers=headers)
        assert browser.cookies["session"] != brought
        assert browser.get("/").json() == {"a": "1"}


def test_the_cookie_of_options(site):
    app = site(session_cookie="sid", path="/app", same_site="strict", https_only=True, domain="example.com", max_age=60)
    cookie = visit(app).get("/set/a/1").headers["Set-Cookie"]
    assert cookie.startswith("sid=")
    assert cookie.endswith("; path=/app; Max-Age=60; httponly; samesite=strict; secure; domain=example.com")


def test_timeouts(site, server):
    browser = visit(site(max_age=60))
    browser.get("/set/a/1")
    (key,) = server.keys()
    assert 50 < server.command("TTL", key) <= 60
    browser = visit(site(max_age=60, idle=3600, prefix="other:"))
    browser.get("/set/a/1")
    assert server.command("TTL", server.keys("other:*")[0]) > 60
    browser = visit(site(max_age=None, prefix="none:"))
    browser.get("/set/a/1")
    assert server.command("TTL", server.keys("none:*")[0]) <= 1800, "the server's own default"


def test_another_max_age_is_taken_over(site, server):
    browser = visit(site(max_age=60))
    browser.get("/set/a/1")
    longer = visit(site(max_age=600), browser.cookies["session"])
    with server.counting() as calls:
        longer.get("/")
    assert calls == {"session.getex": 1, "session.set": 1}
    with server.counting() as calls:
        longer.get("/")
    assert calls == {"session.getex": 1}
    assert server.command("TTL", server.keys()[0]) > 60


def test_absolute_limit(site, server):
    browser = visit(site(lifetime=3600))
    browser.get("/set/a/1")
    (key,) = server.keys()
    assert 600 < server.command("TTL", key) <= 3600
    browser.get("/shorter")
    assert server.command("TTL", key) <= 600


def test_the_cookie_again_with_each_response(site):
    browser = visit(site(refresh_each_request=True))
    browser.get("/set/a/1")
    assert "Max-Age" in browser.get("/plain").headers["Set-Cookie"]


def test_vary_is_added_to_what_is_there(site):
    async def varies(request):
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(str(request.session), headers={"Vary": request.query_params["vary"]})

    browser = visit(site(more={"/varies": varies}))
    expected = {"Accept": "Accept, Cookie", "accept, cookie": "accept, cookie", "*": "*"}
    for given, answered in expected.items():
        assert browser.get("/varies", params={"vary": given}).headers["Vary"] == answered


def test_changes_after_the_response_has_begun_are_saved(site):
    browser = visit(site())
    browser.get("/set/a/1")
    browser.get("/stream")
    browser.get("/background")
    assert browser.get("/").json() == {"a": "1", "streamed": "1", "later": "1"}


def test_a_session_that_begins_too_late_is_not_saved_and_the_log_says_so(site, server, caplog):
    browser = visit(site())
    browser.get("/background")
    assert server.keys() == []
    assert "do it before" in caplog.text


def test_another_serializer(site):
    async def put_object(request):
        from starlette.responses import PlainTextResponse

        request.session["object"] = {1, 2}
        return PlainTextResponse("")

    async def get_object(request):
        from starlette.responses import JSONResponse

        return JSONResponse(request.session["object"] == {1, 2})

    browser = visit(site(codec=BytesCodec(), more={"/put": put_object, "/get": get_object}))
    browser.get("/put")
    assert browser.get("/get").json() is True


def test_what_cannot_be_decoded_is_no_session(site, caplog):
    browser = visit(site())
    browser.get("/set/a/1")

    def broken(_: bytes) -> Any:
        raise ModuleNotFoundError("a class that is gone")

    after = visit(site(codec=BytesCodec(loads=broken)), browser.cookies["session"])
    assert after.get("/").json() == {"a": "1"}, "JSON, which this codec reads, too"
    visit(site(codec=BytesCodec()), browser.cookies["session"]).get("/set/a/2")
    assert after.get("/").json() == {}
    assert "could not be decoded" in caplog.text


def test_other_scopes_pass(server):
    import asyncio

    seen: list[Any] = []

    async def app(scope, receive, send):
        seen.append(scope)

    middleware: Any = SessionMiddleware(app, url=server.url)
    asyncio.run(middleware({"type": "lifespan"}, None, None))
    assert seen == [{"type": "lifespan"}]


def test_arguments():
    async def app(scope, receive, send): ...

    with pytest.raises(TypeError, match="either"):
        SessionMiddleware(app)
    with pytest.raises(TypeError, match="either"):
        SessionMiddleware(app, url="redis://localhost", client=redis.asyncio.Redis())
    with pytest.raises(TypeError, match=r"redis\.asyncio"):
        SessionMiddleware(app, client=redis.Redis())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="max_session"):
        SessionMiddleware(app, url="redis://localhost", max_session=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="`url` is a string, not int"):
        SessionMiddleware(app, url=6379)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="`user` is a key of the session"):
        SessionMiddleware(app, url="redis://localhost", user=5)  # type: ignore[arg-type]
    for option, value in (("idle", "an hour"), ("idle", float("nan")), ("lifetime", ""), ("device", False)):
        wrong: Any = {option: value}
        with pytest.raises(TypeError, match=f"`{option}` is .*; not {value!r}"):
            SessionMiddleware(app, url="redis://localhost", **wrong)


async def test_functions_without_the_middleware():
    with pytest.raises(TypeError, match="installed"):
        await devices({"type": "http"})


def test_the_dict():
    def marks(session: Session) -> tuple[bool, bool]:
        return session.accessed, session.modified

    session = Session({"a": 1})
    assert marks(session) == (False, False)
    assert session.pop("b", None) is None
    assert marks(session) == (False, False)
    assert "a" in session
    assert session.setdefault("a", 2) == 1
    assert marks(session) == (True, False)
    assert list(session) == list(session.keys()) == ["a"]
    assert list(session.values()) == [1]
    session |= {"b": 2}
    assert marks(session) == (True, True)
    assert session == {"a": 1, "b": 2}
    assert session.copy() | {"c": 3} == session | {"c": 3} == {"a": 1, "b": 2, "c": 3}
    assert repr(session) == "{'a': 1, 'b': 2}"
    assert session.popitem() == ("b", 2)
    session.update(c=3)
    del session["c"]
    session.clear()
    assert session == {}
