"""A small site on a real server, and browsers that visit it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django.settings")
django.setup()

from django.contrib.admin.models import LogEntry  # noqa: E402 (models come after setup)
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections as databases  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from tests.servers import Server  # noqa: E402

Configure = Callable[..., None]


@pytest.fixture(scope="session")
def _database() -> Iterator[None]:
    setup_test_environment(debug=False)
    call_command("migrate", verbosity=0, interactive=False)
    yield
    databases.close_all()


@pytest.fixture
def database(_database: None) -> Iterator[None]:
    """An empty database."""
    yield
    for model in (LogEntry, Session, User):
        model.objects.all().delete()
    databases.close_all()


@pytest.fixture
def configure(database: None) -> Iterator[Configure]:
    """Sets SESSION_REDIS, and other settings by name: `configure({"url": ...}, SESSION_COOKIE_AGE=60)`."""
    changed: list[override_settings] = []

    def configure(redis: dict[str, Any], **settings: Any) -> None:
        override = override_settings(SESSION_REDIS=redis, **settings)
        override.enable()
        changed.append(override)

    yield configure
    for override in reversed(changed):
        override.disable()


@pytest.fixture
def site(configure: Configure, server: Server) -> Callable[..., None]:
    """The site on a server of its own. Called, it changes options: `site(max_sessions=3)`, `site(DEBUG=True)`."""

    def site(**options: Any) -> None:
        settings = {name: options.pop(name) for name in list(options) if name.isupper()}
        configure({"url": server.url, **options}, **settings)

    site()
    return site


def make_user(name: str) -> User:
    user: User = User.objects.create_user(name, password="secret")
    return user


@pytest.fixture
def alice(database: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(database: None) -> User:
    return make_user("bob")


class Browser(Client):
    """A browser: it keeps cookies, and says what it is."""

    def __init__(self, agent: str = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0") -> None:
        super().__init__(HTTP_USER_AGENT=agent)

    def request(self, **request: Any) -> Any:
        """Asks the site, with the middleware that it has now."""
        self.handler._middleware_chain = None  # type: ignore[attr-defined]
        return super().request(**request)

    @property
    def cookie(self) -> str | None:
        """The id in the browser's session cookie."""
        cookie = self.cookies.get("sessionid")
        return cookie.value or None if cookie else None

    def reads(self) -> dict[str, Any]:
        """What the site shows of the session."""
        shown: dict[str, Any] = self.get("/read/").json()
        return shown

    def writes(self, **values: str) -> None:
        """Sets values in the session, given as JSON."""
        assert self.get("/write/", values).status_code == 200

    def signs_in(self, username: str = "alice", password: str = "secret") -> Any:
        return self.post("/sign-in/", {"username": username, "password": password})

    def who(self) -> str:
        return self.get("/").content.decode()

    def twin(self) -> Browser:
        """Another tab, or a request sent before this browser's cookies change: the same cookies now."""
        other = Browser()
        for name, morsel in self.cookies.items():
            other.cookies[name] = morsel.value
        return other


@pytest.fixture
def browser(site: Any) -> Callable[[], Browser]:
    return Browser
