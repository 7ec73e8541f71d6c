"""Whether the installed package works, with one of its extras: `python -m tests.installed core | hiredis | django ...`.

It is run by scripts/dist-python.sh in an environment that holds nothing but the package and this extra.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

import redis_session_client
from redis_session_client import Store
from tests.servers import Server

StartResponse = Callable[..., None]
Wsgi = Callable[[dict[str, Any], StartResponse], Iterator[bytes]]


def core(server: Server) -> None:
    """The store, and what has to be in the package beside its modules."""
    package = Path(redis_session_client.__file__).parent
    assert Path(sys.prefix) in package.parents, f"{package} is not what was installed"
    assert (package / "py.typed").exists()
    store = Store(redis.Redis.from_url(server.url))
    store.check()
    assert store.create("0123456789abcdef", {"n": 1}, user="alice")
    loaded = store.load("0123456789abcdef")
    assert loaded is not None
    assert loaded.data() == {"n": 1}
    importlib.import_module("redis_session_client.swampdragon")


def hiredis(server: Server) -> None:
    """The parser in C is found by redis-py."""
    importlib.import_module("hiredis")
    core(server)


def django(server: Server) -> None:
    """A session of Django, and the pages of "my devices"."""
    from django.conf import settings

    settings.configure(
        SECRET_KEY="for a test",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "redis_session_client.django"],
        SESSION_ENGINE="redis_session_client.django",
        SESSION_REDIS={"url": server.url},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    )
    importlib.import_module("django").setup()
    engine = importlib.import_module("redis_session_client.django")
    session = engine.SessionStore()
    session["n"] = 1
    session.save()
    assert engine.SessionStore(session.session_key)["n"] == 1
    templates = Path(str(engine.__file__)).parent / "templates"
    assert list(templates.rglob("*.html")), "the wheel lacks the templates"


def pyramid(server: Server) -> None:
    """A request of a Pyramid site, and the next one with its cookie."""
    from pyramid.config import Configurator
    from pyramid.response import Response

    def count(request: Any) -> Any:
        request.session["n"] = request.session.get("n", 0) + 1
        return Response(str(request.session["n"]))

    settings = {"redis.sessions.secret": "for a test", "redis.sessions.url": server.url}
    with Configurator(settings=settings) as config:
        config.include("redis_session_client.pyramid")
        config.add_route("count", "/")
        config.add_view(count, route_name="count")
        _counts(config.make_wsgi_app())


def flask(server: Server) -> None:
    """A request of a Flask site, and the next one with its cookie."""
    from flask import Flask, session

    from redis_session_client.flask import SessionInterface

    app = Flask("site")
    app.session_interface = SessionInterface(redis.Redis.from_url(server.url))

    @app.get("/")
    def count() -> str:
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    _counts(app)


def starlette(server: Server) -> None:
    """A request of a Starlette site, and the next one with its cookie."""
    import asyncio

    from starlette.responses import PlainTextResponse

    from redis_session_client.asgi import SessionMiddleware

    async def site(scope: Any, receive: Any, send: Any) -> None:
        session = scope["session"]
        session["n"] = session.get("n", 0) + 1
        await PlainTextResponse(str(session["n"]))(scope, receive, send)

    app: Any = SessionMiddleware(site, url=server.url)

    async def request(cookie: bytes) -> tuple[bytes, bytes]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"cookie", cookie)] if cookie else []
        await app({"type": "http", "method": "GET", "path": "/", "headers": headers}, receive, send)
        return dict(sent[0]["headers"]).get(b"set-cookie", b""), sent[1]["body"]

    async def visit() -> None:
        set_cookie, body = await request(b"")
        assert body == b"1"
        _, body = await request(set_cookie.split(b";")[0])
        assert body == b"2"

    asyncio.run(visit())


def _counts(app: Wsgi | Any) -> None:
    """Two requests with one cookie are one session."""
    from wsgiref.util import setup_testing_defaults

    cookie = ""
    for expected in (b"1", b"2"):
        environ: dict[str, Any] = {"HTTP_COOKIE": cookie} if cookie else {}
        setup_testing_defaults(environ)
        headers: dict[str, str] = {}

        def start_response(status: str, given: list[tuple[str, str]], *_: Any, into: dict[str, str] = headers) -> None:
            assert status.startswith("200"), status
            into.update(given)

        body = app(environ, start_response)
        assert b"".join(body) == expected
        body.close() if hasattr(body, "close") else None
        cookie = headers.get("Set-Cookie", "").split(";")[0] or cookie


def main() -> None:
    """Runs the check that is named."""
    extra = sys.argv[1]
    server = Server("--save", "")
    try:
        globals()[extra](server)
    finally:
        server.close()
    print(f"installed, with {extra}: works")


if __name__ == "__main__":
    main()
