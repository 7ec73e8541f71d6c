"""A small Pyramid site, and browsers that visit it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp


class Site:
    """A site whose one view does what the test says: `site.browser().do(lambda request: ...)`.

    `more` are settings without their `redis.sessions.`; `answers` are its exception views, as statuses by exception.
    """

    def __init__(self, server, answers=None, **more):
        self.view: Callable[[Any], Any] = dict
        where = {} if server is None else {"url": server.url}
        settings = {f"redis.sessions.{name}": value for name, value in {"secret": "secret", **where, **more}.items()}
        config = Configurator(settings=settings)
        self.configure(config)
        config.add_route("page", "/")
        config.add_view(self._page, route_name="page")
        for kind, status in (answers or {}).items():
            config.add_exception_view(_answer(status), context=kind)
        self.registry = config.registry
        self.app = config.make_wsgi_app()

    def configure(self, config):
        """Gives the site its sessions."""
        config.include("redis_session_client.pyramid")

    def _page(self, request):
        result = self.view(request)
        return result if isinstance(result, Response) else Response(repr(result))

    def browser(self, agent="Firefox"):
        return Browser(self, agent)


class Browser:
    def __init__(self, site, agent="Firefox"):
        self.site = site
        self.app = TestApp(site.app, extra_environ={"HTTP_USER_AGENT": agent, "REMOTE_ADDR": "192.0.2.1"})

    def do(self, view, status=200):
        """Sends a request whose view is the given function, and returns what that has returned."""
        seen = []

        def noted(request):
            seen.append(view(request))
            return seen[-1]

        self.site.view = noted
        self.response = self.app.get("/", status=status)
        return seen[-1] if seen else None

    def read(self):
        """The session as a request finds it."""
        return self.do(lambda request: dict(request.session))

    def login(self, user="alice"):
        def view(request):
            request.session["auth.userid"] = user

        return self.do(view)

    @property
    def cookie(self):
        value = self.app.cookies.get("session")
        return value and value.strip('"')

    @cookie.setter
    def cookie(self, value):
        self.app.set_cookie("session", value)


def _answer(status):
    def view(exception, request):
        return Response(f"{type(exception).__name__}: {exception}", status=status)

    return view
