"""Moving in from another engine without logging anyone out, and moving back."""

from __future__ import annotations

import pickle
import re
from datetime import datetime, timedelta, timezone
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from redis_session_client.django import SessionStore, count, devices, sign_out
from tests.django.conftest import Browser, Configure
from tests.servers import TOP, Server

OURS = "redis_session_client.django"
BACK = "redis_session_client.django.rollback"
DB = "django.contrib.sessions.backends.db"
CACHE = "django.contrib.sessions.backends.cache"
CACHED_DB = "django.contrib.sessions.backends.cached_db"
FILE = "django.contrib.sessions.backends.file"
REDIS_SESSIONS = "redis_sessions.session"


class Site:
    """A site that moves from one engine to another."""

    def __init__(self, configure: Configure, server: Server, old: str, settings: dict[str, Any]) -> None:
        self.configure, self.server, self.old, self.settings = configure, server, old, settings

    def uses(self, engine: str, **options: Any) -> None:
        redis = {"url": self.server.url, "migrate_from": self.old, **options}
        self.configure(redis, SESSION_ENGINE=engine, **self.settings)

    def without_migrate_from(self) -> None:
        self.configure({"url": self.server.url}, SESSION_ENGINE=OURS, **self.settings)


@pytest.fixture(params=[DB, CACHE, "cache in django-redis", CACHED_DB, FILE, REDIS_SESSIONS])
def site(request: pytest.FixtureRequest, configure: Configure, server: Server, tmp_path: Any) -> Site:
    old: str = request.param
    settings: dict[str, Any] = {}
    if old in (CACHE, CACHED_DB):
        cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": server.url}
        settings = {"CACHES": {"default": cache}}
    elif old.startswith("cache in"):
        pytest.importorskip("django_redis")
        old = CACHE
        settings = {"CACHES": {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": server.url}}}
    elif old == FILE:
        from django.contrib.sessions.backends import file

        if hasattr(file.SessionStore, "_storage_path"):  # where it found its folder in the test before
            del file.SessionStore._storage_path
        settings = {"SESSION_FILE_PATH": str(tmp_path)}
    elif old == REDIS_SESSIONS:
        settings = _redis_sessions(server)
    return Site(configure, server, old, settings)


def _redis_sessions(server: Server) -> dict[str, Any]:
    """It reads its settings when it is imported, and has one client from then on."""
    settings = pytest.importorskip("redis_sessions.settings")
    session = pytest.importorskip("redis_sessions.session")
    settings.SESSION_REDIS_URL = server.url
    settings.SESSION_REDIS_PREFIX = "old"
    session.RedisServer._RedisServer__redis.clear()
    return {}


@pytest.fixture
def visitor(site: Site, alice: User) -> Browser:
    """Somebody who has logged in while the site had its old engine."""
    site.uses(site.old)
    visitor = Browser()
    visitor.writes(cart="[1]")
    visitor.signs_in()
    return visitor


def test_nobody_is_logged_out_there_and_back(site: Site, visitor: Browser, alice: User) -> None:
    cookie = visitor.cookie
    site.uses(OURS)
    assert visitor.who() == "alice"
    assert visitor.reads() == {"cart": [1]}
    assert visitor.cookie == cookie
    assert count(alice) == 1
    visitor.writes(cart="[1, 2]")
    site.without_migrate_from()
    assert visitor.reads() == {"cart": [1, 2]}
    site.uses(site.old)
    assert visitor.twin().who() == "nobody"  # it was ended there
    site.uses(BACK)
    assert visitor.who() == "alice"
    assert visitor.reads() == {"cart": [1, 2]}
    site.uses(site.old)
    assert visitor.who() == "alice"
    site.without_migrate_from()
    assert count(alice) == 0


def test_an_async_view_takes_it_over(site: Site, visitor: Browser) -> None:
    site.uses(OURS)
    assert visitor.get("/aread/").json() == {"cart": [1]}
    if not hasattr(SessionBase, "aget"):
        return  # before Django 5.1 only this engine has async methods
    site.uses(BACK)
    assert visitor.get("/aread/").json() == {"cart": [1]}


def test_who_signs_out_stays_signed_out(site: Site, visitor: Browser) -> None:
    late = visitor.twin()
    site.uses(OURS)
    visitor.get("/sign-off/")
    assert late.who() == "nobody"
    site.uses(BACK)
    visitor.signs_in()
    late = visitor.twin()
    visitor.get("/sign-off/")
    assert late.who() == "nobody"
    site.uses(site.old)
    assert late.who() == "nobody"


def test_a_made_up_id(site: Site) -> None:
    for engine in (OURS, BACK):
        site.uses(engine)
        stranger = Browser()
        stranger.cookies["sessionid"] = "madeupmadeupmadeupmadeupmadeup12"
        assert stranger.reads() == {}
        stranger.writes(cart="[1]")
        assert stranger.cookie != "madeupmadeupmadeupmadeupmadeup12"


def test_two_requests_take_it_over_at_a_time(site: Site, visitor: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from redis_session_client.django import migrate

    site.uses(OURS)
    original, seen = migrate._session, []

    def slow(asked: Any, key: str) -> Any:
        monkeypatch.undo()
        seen.append(SessionStore(key)["cart"])  # another request is quicker
        return original(asked, key)

    monkeypatch.setattr(migrate, "_session", slow)
    assert visitor.reads() == {"cart": [1]}
    assert seen == [[1]]


def test_a_cap_does_not_keep_out_who_is_in(site: Site, visitor: Browser, alice: User) -> None:
    site.uses(site.old)
    other = Browser()
    other.signs_in()
    site.uses(OURS, max_sessions=1, on_limit="reject")
    assert [visitor.who(), other.who()] == ["alice", "alice"]
    assert count(alice) == 2


# --- all at once ---


def imported(site: Site, *arguments: str) -> str:
    out = StringIO()
    call_command("import_sessions", "--from", site.old, *arguments, stdout=out)
    return out.getvalue().strip()


def test_importing(site: Site, visitor: Browser, alice: User) -> None:
    site.without_migrate_from()
    assert imported(site, "--dry-run") == "1 would be imported, 0 there already, 0 skipped (no valid id)."
    assert count(alice) == 0
    assert imported(site) == "1 imported, 0 there already, 0 skipped (no valid id)."
    assert imported(site) == "0 imported, 0 there already, 0 skipped (no valid id)."
    assert visitor.who() == "alice"
    assert visitor.reads() == {"cart": [1]}
    site.uses(site.old)
    assert visitor.who() == "nobody"


def test_importing_and_keeping_them(site: Site, visitor: Browser, alice: User) -> None:
    site.without_migrate_from()
    assert imported(site, "--keep") == "1 imported, 0 there already, 0 skipped (no valid id)."
    assert imported(site, "--dry-run") == "0 would be imported, 1 there already, 0 skipped (no valid id)."
    assert imported(site, "--keep") == "0 imported, 1 there already, 0 skipped (no valid id)."
    assert visitor.who() == "alice"
    site.uses(site.old)
    assert visitor.who() == "alice"


def test_what_was_signed_out_does_not_come_back(site: Site, visitor: Browser, alice: User) -> None:
    site.uses(OURS)
    with pytest.raises(CommandError, match="would come back"):
        imported(site, "--keep")
    imported(site)
    assert sign_out(alice) == 1
    imported(site)
    assert count(alice) == 0
    assert visitor.who() == "nobody"


def test_an_imported_session_ends_when_it_would_have_ended(configure: Configure, server: Server, alice: User) -> None:
    site = Site(configure, server, DB, {})
    site.uses(DB)
    visitor = Browser()
    visitor.signs_in()
    Session.objects.update(expire_date=now() + timedelta(minutes=5))
    site.without_migrate_from()
    imported(site)
    (key,) = server.keys()
    assert 0 < server.command("TTL", key) <= 300
    assert visitor.who() == "alice"  # which keeps it alive
    assert server.command("TTL", key) > 300


def test_what_cannot_be_imported(configure: Configure, server: Server) -> None:
    site = Site(configure, server, CACHE, {})
    site.uses(OURS)
    with pytest.raises(CommandError, match="only a cache on a Redis server"):
        imported(site)
    site.old = "django.contrib.sessions.backends.signed_cookies"
    with pytest.raises(CommandError, match="does not tell which sessions it has"):
        imported(site)
    site.old = "no.such.engine"
    with pytest.raises(CommandError, match=r"no\.such\.engine is no session engine: No module named 'no'$"):
        imported(site)
    site.old = OURS
    with pytest.raises(CommandError, match="not this one"):
        imported(site)


class PickleSerializer:
    """Writes what Django's cache engine keeps."""

    def dumps(self, data: Any) -> bytes:
        return pickle.dumps(data)

    def loads(self, written: bytes) -> Any:
        return pickle.loads(written)


def test_with_the_rights_of_a_website(configure: Configure, server: Server, alice: User) -> None:
    """Those in docs/operations.md are enough for the site; the import says what it needs beside, before it begins."""
    site = Site(configure, server, DB, {})
    site.uses(DB)
    visitor = Browser()
    visitor.signs_in()
    found = re.search(r"^user (web .*)$", (TOP / "docs/operations.md").read_text(), re.MULTILINE)
    assert found
    server.command("ACL", "SETUSER", *found[1].split())
    url = f"redis://web:web-secret@127.0.0.1:{server.port}/0"
    site.uses(OURS, url=url)
    for arguments in (["--dry-run"], []):
        with pytest.raises(CommandError, match=r"ACL SETUSER web \+pexpireat"):
            imported(site, *arguments)
    assert server.keys() == []
    server.command("ACL", "SETUSER", "web", "+pexpireat")
    assert imported(site).startswith("1 imported")
    server.command("ACL", "SETUSER", "web", "-pexpireat")
    other = Browser()
    other.signs_in()
    assert visitor.who() == other.who() == "alice"
    assert len(devices(alice)) == count(alice) == 2
    assert sign_out(alice, keep=visitor.session) == 1
    visitor.get("/sign-off/")
    assert server.keys() == []


def test_what_the_serializer_cannot_write(configure: Configure, server: Server, alice: User) -> None:
    """Django's cache engine pickles, whatever SESSION_SERIALIZER is."""
    settings = {
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": server.url}}
    }
    site = Site(configure, server, CACHE, settings)
    site.uses(CACHE)
    dated, plain = Browser(), Browser()
    for visitor in (dated, plain):
        visitor.signs_in()
    session = dated.session
    session["when"] = datetime(2026, 11, 26, tzinfo=timezone.utc)
    session.save()

    site.uses(OURS)
    for dry_run, left in ((["--dry-run"], "would be left"), ([], "left")):
        with pytest.raises(CommandError, match=rf"1 {left} where they are.*cannot write 'when' \(datetime\)"):
            imported(site, *dry_run)
    assert plain.who() == "alice"
    assert count(alice) == 1
    with pytest.raises(ImproperlyConfigured, match=r"cannot write 'when' \(datetime\)"):
        dated.who()

    site.settings["SESSION_SERIALIZER"] = f"{__name__}.PickleSerializer"
    site.uses(OURS)
    assert dated.who() == plain.who() == "alice"
    assert dated.session["when"] == datetime(2026, 11, 26, tzinfo=timezone.utc)
    assert count(alice) == 2


@pytest.mark.parametrize(
    "serializer", ["django.contrib.sessions.serializers.JSONSerializer", f"{__name__}.PickleSerializer"]
)
def test_keys_that_are_numbers(configure: Configure, server: Server, serializer: str) -> None:
    """A cache keeps them as they are. Here they are text, as with Django's other engines."""
    cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": server.url}
    site = Site(configure, server, CACHE, {"CACHES": {"default": cache}, "SESSION_SERIALIZER": serializer})
    site.uses(CACHE)
    before = import_module(CACHE).SessionStore()
    before[1], before["cart"] = "one", [1]
    before.save()
    site.uses(OURS)
    assert dict(SessionStore(before.session_key).items()) == {"1": "one", "cart": [1]}


def test_after_going_back_there_are_no_pages(configure: Configure, server: Server, alice: User) -> None:
    """A link to them is no error of the site."""
    alice.is_staff = alice.is_superuser = True
    alice.save()
    configure({"url": server.url, "migrate_from": DB}, SESSION_ENGINE=BACK)
    browser = Browser()
    browser.signs_in()
    pages = ("", "sign-out/", "sign-out-others/", "confirm-password/")
    assert [browser.post(f"/devices/{page}").status_code for page in pages] == [404, 404, 404, 404]
    assert browser.get("/devices/").status_code == 404
    assert browser.get("/danger/").status_code == browser.get("/adanger/").status_code == 404
    assert browser.get(f"/admin/redis_session/usersession/{alice.pk}/").status_code == 404
    with pytest.raises(ImproperlyConfigured, match="needs SESSION_ENGINE = "):
        devices(alice, browser.session)


def test_going_back_needs_to_know_whereto(configure: Configure, server: Server) -> None:
    configure({"url": server.url}, SESSION_ENGINE=BACK)
    with pytest.raises(ImproperlyConfigured, match="names the engine to go back to"):
        Browser().get("/")
