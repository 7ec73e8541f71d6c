"""The same small site on each session store: a request reads five of a session's 20 fields, or writes one.

`python sites.py CONTENDER URL` sets one up and answers each line `read N` or `write N` of its standard input with the
seconds and the CPU seconds that N requests took. Nothing but the framework and its session is in the way of a request.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from http.cookies import SimpleCookie
from typing import Any

FIELDS = {f"field{n}": f"value {n} of a session of twenty" for n in range(20)}
# What a page looks at: who is signed in, since when, the language, the CSRF token, how many things are in the cart.
SHOWN = [f"field{n}" for n in range(5)]
PAGE = " ".join(FIELDS[name] for name in SHOWN)

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Browser:
    """Calls a WSGI application, with the cookies that it set before."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._cookies: SimpleCookie = SimpleCookie()

    def get(self, path: str) -> str:
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in self._cookies.items())
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "HTTP_COOKIE": cookie,
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        answer = self._application(environ, self._start)
        body = b"".join(answer).decode()
        if hasattr(answer, "close"):
            answer.close()
        if not self._status.startswith("200"):
            raise RuntimeError(f"{path}: {self._status}: {body[:500]}")
        return body

    def _start(self, status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        self._status = status
        for name, value in headers:
            if name.lower() == "set-cookie":
                self._cookies.load(value)


def django(contender: str, url: str) -> Application:
    """Django with its session middleware alone."""
    from django.conf import settings
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
    engines: dict[str, dict[str, Any]] = {
        "django: this package": {
            "SESSION_ENGINE": "redis_session_client.django",
            "SESSION_REDIS": {"url": url},
        },
        "django: cache, RedisCache": {
            "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
            "CACHES": {"default": cache},
        },
        "django: cache, django-redis": {
            "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
            "CACHES": {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url}},
        },
        "django: cached_db": {
            "SESSION_ENGINE": "django.contrib.sessions.backends.cached_db",
            "CACHES": {"default": cache},
            "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            "INSTALLED_APPS": ["django.contrib.sessions"],
        },
        "django: django-redis-sessions": {
            "SESSION_ENGINE": "redis_sessions.session",
            "SESSION_REDIS": {"url": url},
        },
    }

    def fill(request: HttpRequest) -> HttpResponse:
        request.session.update(FIELDS)
        return HttpResponse("filled")

    def read(request: HttpRequest) -> HttpResponse:
        return HttpResponse(" ".join(request.session[name] for name in SHOWN))

    def write(request: HttpRequest) -> HttpResponse:
        request.session["field7"] = str(time.perf_counter())
        return HttpResponse("written")

    urls = [path("fill", fill), path("read", read), path("write", write)]
    chosen = {"INSTALLED_APPS": [], **engines[contender]}
    settings.configure(
        SECRET_KEY="a benchmark's",
        ALLOWED_HOSTS=["localhost"],
        ROOT_URLCONF=tuple(urls),
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        **chosen,
    )
    import django as framework

    framework.setup()
    if "DATABASES" in chosen:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
    from django.core.handlers.wsgi import WSGIHandler

    return WSGIHandler()


def pyramid(contender: str, url: str) -> Application:
    """Pyramid with a session factory."""
    import redis
    from pyramid.config import Configurator
    from pyramid.response import Response

    if contender == "pyramid: this package":
        from redis_session_client.pyramid import RedisSessionFactory

        factory = RedisSessionFactory("a benchmark's", url=url)
    else:
        from pyramid_redis_sessions import RedisSessionFactory as TheirFactory

        client = redis.Redis.from_url(url)
        factory = TheirFactory("a benchmark's", client_callable=lambda *_, **__: client)

    def fill(request: Any) -> Response:
        for name, value in FIELDS.items():
            request.session[name] = value
        return Response("filled")

    def read(request: Any) -> Response:
        return Response(" ".join(request.session[name] for name in SHOWN))

    def write(request: Any) -> Response:
        request.session["field7"] = str(time.perf_counter())
        return Response("written")

    config = Configurator(session_factory=factory)
    for name, view in (("fill", fill), ("read", read), ("write", write)):
        config.add_route(name, "/" + name)
        config.add_view(view, route_name=name)
    application: Application = config.make_wsgi_app()
    return application


def flask(contender: str, url: str) -> Application:
    """Flask with a session interface."""
    import redis
    from flask import Flask, session

    app = Flask("bench")
    if contender == "flask: this package":
        from redis_session_client.flask import SessionInterface

        app.session_interface = SessionInterface(url)
    else:
        from flask_session import Session

        app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis.Redis.from_url(url))
        Session(app)

    @app.get("/fill")
    def fill() -> str:
        session.update(FIELDS)
        return "filled"

    @app.get("/read")
    def read() -> str:
        return " ".join(session[name] for name in SHOWN)

    @app.get("/write")
    def write() -> str:
        session["field7"] = str(time.perf_counter())
        return "written"

    return app.wsgi_app


def serve(browser: Browser) -> None:
    """Measures what it is told to."""
    browser.get("/fill")
    if browser.get("/read") != PAGE:
        raise RuntimeError("the session does not hold what was written")
    print("ready", flush=True)
    for line in sys.stdin:
        kind, count = line.split()
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(count)):
            browser.get("/" + kind)
        print(json.dumps([time.perf_counter() - began, time.process_time() - cpu]), flush=True)


if __name__ == "__main__":
    if os.environ.get("BENCH_PARSER") == "python":
        sys.modules["hiredis"] = None  # type: ignore[assignment]  # so that redis-py does not find it
    sites = {"django": django, "pyramid": pyramid, "flask": flask}
    serve(Browser(sites[sys.argv[1].split(":")[0]](sys.argv[1], sys.argv[2])))
