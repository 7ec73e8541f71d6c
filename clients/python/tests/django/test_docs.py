"""The examples of docs/django.md, and the start that the README prints."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import types
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core.checks import run_checks
from django.test import AsyncClient
from django.urls import path

from redis_session_client.django import SessionStore, asign_out, count, devices, sign_out
from redis_session_client.django.configuration import KEYS
from redis_session_client.django.connections import connections
from redis_session_client.events import session_events
from tests.django import urls as site_urls
from tests.django.conftest import Browser, Configure
from tests.django.settings import INSTALLED_APPS, MIDDLEWARE, TEMPLATES
from tests.pages import Browser as DistantBrowser
from tests.pages import at_server, examples, not_running, section
from tests.servers import TOP, Cluster, Sentinel, Server, free_port, wait_for

PAGE = TOP / "docs/django.md"
README = TOP / "clients/python/README.md"
WITHOUT_SESSIONS = [app for app in INSTALLED_APPS if app != "django.contrib.sessions"]


def part(heading: str) -> str:
    """What stands under a heading of any level."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    # `# settings.py` in an example is no heading: take what is left up to the next real one.
    assert found, heading
    return re.split(r"^##+ ", PAGE.read_text()[found.start(2) :], maxsplit=1, flags=re.MULTILINE)[0]


def named(heading: str, file: str, number: int = 0) -> str:
    """The example for a file: it says so in its first line."""
    found = [example for example in examples(part(heading)) if example.startswith(f"# {file}\n")]
    return found[number]


def settings(heading: str, server: Any, number: int = 0) -> dict[str, Any]:
    """The settings that an example sets."""
    names: dict[str, Any] = {}
    exec(at_server(named(heading, "settings.py", number), server), names)
    return {name: value for name, value in names.items() if name.isupper()}


def views(heading: str, number: int = 0) -> types.ModuleType:
    """The views of an example."""
    module = types.ModuleType("views")
    exec(named(heading, "views.py", number), module.__dict__)
    return module


@pytest.fixture
def use(configure: Configure, server: Server) -> Callable[..., None]:
    """The site with an example's settings, and some more: `use("A cap on logins")`."""

    def use(heading: str = "Set up", number: int = 0, **more: Any) -> None:
        given = {**settings(heading, server, number), **more}
        given.pop("INSTALLED_APPS", None)
        configure(given.pop("SESSION_REDIS", {"url": server.url}), **given)

    return use


def visit(*patterns: Any) -> dict[str, Any]:
    """A setting for more pages."""
    return {"ROOT_URLCONF": (*patterns, *site_urls.urlpatterns)}


def signed_in(agent: str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0") -> Browser:
    browser = Browser(agent)
    browser.signs_in()
    return browser


def test_every_setting_is_in_the_table() -> None:
    assert re.findall(r"^\| `(\w+)` \|", part("Settings"), re.MULTILINE) == list(KEYS)


def test_every_check_is_in_the_table() -> None:
    said = set(re.findall(r"`redis_session\.(\w\d+)`", part("System checks")))
    source = (TOP / "clients/python/src/redis_session_client/django/checks.py").read_text()
    assert said == set(re.findall(r'"redis_session\.(\w\d+)"', source))


def test_links_lead_somewhere() -> None:
    text = PAGE.read_text()
    headings = {
        re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in re.findall(r"^##+ (.*)", text, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(headings)


@pytest.mark.usefixtures("alice")
def test_set_up(use: Callable[..., None], server: Server) -> None:
    use()
    assert "redis_session_client.django" in settings("Set up", server)["INSTALLED_APPS"]
    assert run_checks(tags=["redis_session"]) == []
    assert signed_in().who() == "alice"


@pytest.mark.usefixtures("alice")
def test_my_devices(use: Callable[..., None]) -> None:
    names: dict[str, Any] = {}
    exec(named("My devices", "urls.py"), names)
    use(ROOT_URLCONF=(*names["urlpatterns"], *[one for one in site_urls.urlpatterns if str(one.pattern) != "devices/"]))
    browser = signed_in()
    signed_in("curl/8.5.0")
    page = browser.get("/devices/").content.decode()
    assert "Firefox on Linux" in page
    assert "curl" in page


@pytest.mark.usefixtures("site")
def test_noting_more_of_a_device(alice: User) -> None:
    names: dict[str, Any] = {}
    exec(named("My devices", "receivers.py"), names)
    try:
        browser = Browser()
        browser.post("/sign-in/", {"username": "alice", "password": "secret"}, HTTP_X_PLACE="Oslo")
    finally:
        user_logged_in.disconnect(names["note_place"])
    assert {name: devices(alice)[0].device[name] for name in ("name", "place")} == {
        "name": "Firefox on Linux",
        "place": "Oslo",
    }


async def test_sockets_beside_the_site(configure: Configure, server: Server) -> None:
    """docs/sockets-python.md: which store watches the sessions of this engine."""
    configure({"url": server.url, "prefix": "shop:"})
    server.command("CONFIG", "SET", "notify-keyspace-events", "Egxed")
    session = SessionStore()
    session["_auth_user_id"] = "1"
    await sync_to_async(session.save)()
    key = session.session_key
    assert key
    async with redis.asyncio.Redis.from_url(server.url) as client:
        names: dict[str, Any] = {"client": client}
        exec(examples(section(TOP / "docs/sockets-python.md", "Python"))[-1], names)
        async with session_events(client, names["store"]) as events:
            events.watch(key)
            await events.ready()
            await asign_out(1)
            async for ended in events:
                assert (ended.id, ended.reason) == (key, "revoked")
                break
    await connections().aclose()


@pytest.mark.usefixtures("alice")
def test_templates(use: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "redis_session").mkdir()
    (tmp_path / "base.html").write_text(
        "<title>{% block title %}{% endblock %}</title>ours {% block content %}{% endblock %}"
    )
    for template in examples(part("In your own templates"), "html"):
        name = re.match(r"{# templates/(\S+) #}", template)
        assert name
        (tmp_path / name[1]).write_text(template)
        with_ours = [{**TEMPLATES[0], "DIRS": [tmp_path]}]
        use(TEMPLATES=with_ours)
        browser = signed_in()
        page = browser.get("/devices/").content.decode()
        assert "Firefox on Linux" in page
        assert "<title>Your devices</title>ours" in page
        other = Browser()
        other.signs_in()
        page = browser.get("/devices/").content.decode()
        assert "all other" in page
        assert "csrfmiddlewaretoken" in page
        browser.post("/devices/sign-out-others/")
        assert other.who() == "nobody"


def test_from_python(use: Callable[..., None], alice: User) -> None:
    ours = views("From Python")
    use(
        **visit(
            path("overview/", ours.overview),
            path("forget/<str:handle>/", ours.forget),
            path("others/", ours.forget_others),
        )
    )
    phone, laptop, tablet = signed_in(), signed_in(), signed_in()
    said = laptop.get("/overview/").json()
    assert said["count"] == len(said["devices"]) == 3
    handle = SessionStore(phone.cookie).handle
    assert laptop.get(f"/forget/{handle}/").json() == {"done": True}
    assert phone.who() == "nobody"
    assert laptop.get("/others/").json() == {"ended": 1}
    assert [laptop.who(), tablet.who()] == ["alice", "nobody"]


def test_a_change_of_the_password(use: Callable[..., None], alice: User, tmp_path: Path) -> None:
    (tmp_path / "password.html").write_text("{{ form }}")
    change = views("After a change of the password").ChangePassword
    use(TEMPLATES=[{**TEMPLATES[0], "DIRS": [tmp_path]}], **visit(path("change/", change.as_view())))
    laptop, phone = signed_in(), signed_in()
    new = {"old_password": "secret", "new_password1": "n-E-w-1", "new_password2": "n-E-w-1"}
    assert laptop.post("/change/", new).headers["Location"] == "/devices/"
    assert count(alice) == 1
    assert [laptop.who(), phone.who()] == ["alice", "nobody"]


def test_in_the_admin(use: Callable[..., None], alice: User) -> None:
    names: dict[str, Any] = {}
    former = type(admin.site._registry[User])
    exec(named("In the admin", "admin.py"), names)
    try:
        use(**visit(path("admin/", admin.site.urls)))
        alice.is_staff = alice.is_superuser = True
        alice.save()
        page = signed_in().get("/admin/auth/user/").content.decode()
        assert f'href="/admin/redis_session/usersession/{alice.pk}/"' in page
    finally:
        admin.site.unregister(User)
        admin.site.register(User, former)


@pytest.mark.usefixtures("alice")
def test_a_cap(use: Callable[..., None]) -> None:
    use("A cap on logins")
    browsers = [signed_in() for _ in range(4)]
    assert [browser.who() for browser in browsers] == ["nobody", "alice", "alice", "alice"]


def test_a_cap_that_refuses(use: Callable[..., None], alice: User, tmp_path: Path) -> None:
    (tmp_path / "login.html").write_text("{{ form.errors }}{% for one in devices %}<i>{{ one.handle }}</i>{% endfor %}")
    login = views("A cap on logins").LoginWithinLimit
    use(
        "A cap on logins", 1, TEMPLATES=[{**TEMPLATES[0], "DIRS": [tmp_path]}], **visit(path("enter/", login.as_view()))
    )
    for _ in range(3):
        signed_in()
    fourth = Browser()
    given = {"username": "alice", "password": "secret"}
    page = fourth.post("/enter/", given).content.decode()
    assert "You are signed in on too many devices." in page
    handles = re.findall("<i>(.*?)</i>", page)
    assert len(handles) == 3
    assert fourth.who() == "nobody"
    assert fourth.post("/enter/", {**given, "replace": handles[0]}).status_code == 302
    assert fourth.who() == "alice"
    assert count(alice) == 3


@pytest.mark.usefixtures("alice")
def test_a_login_of_others_that_is_refused(use: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "too_many_devices.html").write_text("Sign out another device first.")
    urls = types.ModuleType("urls_of_the_page")
    urls.__dict__.update(urlpatterns=site_urls.urlpatterns, handler403=views("A cap on logins", 1).no_permission)
    use("A cap on logins", 1, TEMPLATES=[{**TEMPLATES[0], "DIRS": [tmp_path]}], ROOT_URLCONF=urls)
    for _ in range(3):
        signed_in()
    refused = Browser().post("/sign-in/", {"username": "alice", "password": "secret"})
    assert (refused.status_code, refused.content) == (403, b"Sign out another device first.")


def test_how_long(use: Callable[..., None], server: Server) -> None:
    ours = views("How long sessions last")
    use("How long sessions last", **visit(path("remember/", ours.remember_me), path("kiosk/", ours.at_a_kiosk)))

    def said(visitor: Browser) -> dict[str, Any]:
        reply = server.command("SESSION.INFO", connections().operations.keys.key(str(visitor.cookie)))
        return dict(zip(reply[::2], reply[1::2], strict=True))

    usual, remembered, kiosk = Browser(), Browser(), Browser()
    usual.writes(a="1")
    assert (said(usual)["idle"], said(usual)["lifetime"]) == (3600_000, 7 * 86400_000)
    remembered.get("/remember/")
    assert said(remembered)["idle"] is None
    assert said(remembered)["end"] <= said(remembered)["created"] + 7 * 86400_000 + 1000
    kiosk.get("/kiosk/")
    assert (said(kiosk)["idle"], said(kiosk)["lifetime"]) == (300_000, 3600_000)


@pytest.mark.usefixtures("alice")
def test_asking_for_the_password(use: Callable[..., None]) -> None:
    ours = views("Asking for the password again")
    use(**visit(path("close/", ours.close_account)))
    browser = signed_in()
    asked = browser.get("/close/").headers["Location"]
    assert asked.startswith("/devices/confirm-password/")
    assert browser.post(asked, {"password": "secret", "next": "/close/"}).headers["Location"] == "/close/"
    assert browser.get("/close/").content == b"closed"


def test_strict(use: Callable[..., None]) -> None:
    use("Several requests at a time")
    assert connections().configuration.options.conflict == "strict"


@pytest.mark.usefixtures("alice")
def test_our_middleware(use: Callable[..., None], server: Server) -> None:
    use("Several requests at a time", 1, SESSION_SAVE_EVERY_REQUEST=True)
    assert set(settings("Several requests at a time", server, 1)["MIDDLEWARE"][1:]) < set(MIDDLEWARE)
    browser = Browser()
    browser.writes(cart="[1]")
    late = browser.twin()
    browser.signs_in()
    assert late.get("/read/").cookies.get("sessionid") is None
    assert late.reads() == {"cart": [1]}


def test_async_views(use: Callable[..., None], alice: User) -> None:
    ours = views("Async views")
    use(**visit(path("visits/", ours.visits), path("mine/", ours.my_devices)))
    browser = signed_in()
    assert browser.get("/visits/").json() == {"visits": 1}
    assert browser.get("/visits/").json() == {"visits": 2}
    assert browser.get("/mine/").json() == {"names": ["Firefox on Linux"]}


async def test_async_views_on_a_native_loop(use: Callable[..., None]) -> None:
    ours = views("Async views")
    use(**visit(path("visits/", ours.visits)))
    browser = AsyncClient()
    assert (await browser.get("/visits/")).json() == {"visits": 1}
    assert (await browser.get("/visits/")).json() == {"visits": 2}


def test_moving(use: Callable[..., None], server: Server, alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    from django.core.management import call_command

    cache = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": server.url}}
    old = settings("Moving in, and back", server)["SESSION_REDIS"]["migrate_from"]
    use(SESSION_ENGINE=old, CACHES=cache)
    moved, imported = signed_in(), signed_in()
    use("Moving in, and back", CACHES=cache)
    assert moved.who() == "alice"
    for command in examples(part("Moving in, and back"), "sh")[0].splitlines():
        call_command(*command.removeprefix("python manage.py ").split())
    assert re.findall(r"^\d+", capsys.readouterr().out, re.MULTILINE) == ["1", "1"]
    assert count(alice) == 2
    assert imported.who() == "alice"
    use("Moving in, and back", 1, CACHES=cache)
    assert [moved.who(), imported.who()] == ["alice", "alice"]


def test_moving_from_a_cache_that_pickles(
    use: Callable[..., None], server: Server, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = types.ModuleType("shop_of_the_page")
    exec(named("Moving in, and back", "serializers.py"), shop.__dict__)
    monkeypatch.setitem(sys.modules, shop.__name__, shop)
    cache = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": server.url}}
    old = "django.contrib.sessions.backends.cache"
    use(SESSION_ENGINE=old, CACHES=cache)
    browser = signed_in()
    session = browser.session
    session["when"] = date(2026, 11, 26)
    session.save()
    moving = {"url": server.url, "migrate_from": old}
    use(SESSION_REDIS=moving, CACHES=cache, SESSION_SERIALIZER=f"{shop.__name__}.PickleSerializer")
    assert browser.who() == "alice"
    assert browser.session["when"] == date(2026, 11, 26)
    assert count(alice) == 1


def test_tests_have_sessions_of_their_own(configure: Configure, server: Server, alice: User) -> None:
    configure({"url": server.url})
    visitor = signed_in()
    names: dict[str, Any] = {}
    exec(at_server(named("Tests of your site", "settings_for_tests.py"), server), names)
    configure(names["SESSION_REDIS"])
    assert visitor.who() == "nobody"
    signed_in()
    assert sign_out(alice) == 1
    configure({"url": server.url})
    assert count(alice) == 1


def test_tests_without_a_server(configure: Configure, alice: User) -> None:
    names: dict[str, Any] = {}
    exec(named("Tests of your site", "settings_for_tests.py", 1), names)
    given = {name: value for name, value in names.items() if name.isupper()}
    configure({"url": f"redis://127.0.0.1:{free_port()}/0"}, INSTALLED_APPS=WITHOUT_SESSIONS, **given)
    visitor = signed_in()
    visitor.writes(cart="[1]")
    assert visitor.who() == "alice"
    assert visitor.get("/devices/").status_code == visitor.get("/danger/").status_code == 404


def test_a_log_for_the_reasons(server: Server) -> None:
    """In a process of its own: it changes the logging of all."""
    given = settings("When something goes wrong", server)["LOGGING"]
    program = f"import logging.config; logging.config.dictConfig({given!r}); logging.getLogger('a.b').error('why')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "why\n"


def test_what_is_said_of_errors() -> None:
    import redis_session_client as core
    import redis_session_client.django as ours

    text = part("When something goes wrong")
    for name in ("ModuleMissing", "WrongType", "SessionTooLarge"):
        assert f"`{name}`" in text
        assert hasattr(core, name)
    for name in ("SessionLimit", "SessionConflict"):
        assert f"`{name}`" in text
        assert hasattr(ours, name)


def served(configure: Configure, where: dict[str, Any], **more: Any) -> None:
    configure(where, **more)
    session = SessionStore()
    session["cart"] = [1]
    session.save()
    assert SessionStore(session.session_key)["cart"] == [1]


def test_behind_sentinel(configure: Configure, server: Server, sentinel: Sentinel) -> None:
    where = settings("Deployment", server)["SESSION_REDIS"]
    where["sentinel"]["sentinels"] = [f"127.0.0.1:{sentinel.address[1]}"]
    assert where["sentinel"]["service_name"] == sentinel.name
    served(configure, where)


def test_in_a_cluster(configure: Configure, server: Server, cluster: Cluster) -> None:
    where = settings("Deployment", server, 1)["SESSION_REDIS"]
    where["cluster"]["nodes"] = [f"127.0.0.1:{node.port}" for node in cluster.nodes[:2]]
    served(configure, where)


def test_with_a_client(configure: Configure, server: Server) -> None:
    served(configure, settings("Deployment", server, 2)["SESSION_REDIS"])


def test_with_a_cache(configure: Configure, server: Server) -> None:
    given = settings("Deployment", server, 3)
    served(configure, given["SESSION_REDIS"], CACHES=given["CACHES"])


# --- the README ---


def test_the_start_in_the_readme(server: Server, tmp_path: Path) -> None:
    """As printed, but for pip (it is taken as it lies here), the password (nobody is there to type it) and ports."""
    text = section(README, "Django")
    start, run = examples(text, "sh")
    environment = {
        **os.environ,
        "PYTHONPATH": str(TOP / "clients/python/src"),
        "DJANGO_SUPERUSER_PASSWORD": "a good secret",
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    def follow(line: str, folder: Path) -> None:
        command = [sys.executable, *line.replace("django-admin", "-m django").removeprefix("python ").split()]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)

    (project,) = [line for line in start.splitlines() if line.startswith("django-admin")]
    follow(project, tmp_path)
    folder = tmp_path / start.splitlines()[-1].removeprefix("cd ")
    at_the_end, urls = examples(text)
    with (folder / "mysite/settings.py").open("a") as file:
        file.write(at_server(at_the_end, server))
    (folder / "mysite/urls.py").write_text(urls)
    migrate, superuser, runserver = run.splitlines()
    follow(migrate, folder)
    follow(f"{superuser} --noinput", folder)

    port = free_port()
    command = [sys.executable, *runserver.removeprefix("python ").split(), "--noreload", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        site = f"http://127.0.0.1:{port}"
        wait_for(lambda: listens(port) or not_running(process, folder), what="the site")
        _two_browsers(site)
    finally:
        process.terminate()
        process.wait(20)


def test_what_the_readme_of_the_whole_shows(configure: Configure, server: Server, alice: User) -> None:
    settings_block, calls = examples(section(TOP / "README.md", "Try it"), "py")
    shown: dict[str, Any] = {}
    exec(at_server(settings_block, server), shown)
    configure(shown["SESSION_REDIS"], SESSION_ENGINE=shown["SESSION_ENGINE"])
    browsers = [signed_in(f"Browser/{n}") for n in range(shown["SESSION_REDIS"]["max_sessions"] + 1)]
    assert count(alice) == len(browsers) - 1
    session = SessionStore(browsers[-1].cookie)
    exec(calls, {"request": types.SimpleNamespace(user=alice, session=session)})
    assert [browser.who() for browser in browsers] == [*["nobody"] * 5, "alice"]


def listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _two_browsers(site: str) -> None:
    firefox = _logged_in(site, "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0")
    chrome = _logged_in(site, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0 Safari/537.36")
    page = chrome.get("/devices/")
    assert "Firefox on Linux" in page
    assert "Chrome on Windows" in page
    assert "Firefox on Linux" in firefox.get("/devices/")
    form = next(one for one in re.findall(r"<li.*?</li>", page, re.DOTALL) if "Firefox" in one)
    assert "Firefox" not in chrome.post(_action(form), **_fields(form))
    assert "Chrome on Windows" in chrome.get("/devices/")
    assert 'name="password"' in firefox.get("/devices/")


def _logged_in(site: str, agent: str) -> DistantBrowser:
    browser = DistantBrowser(site, agent)
    page = browser.get("/devices/")
    assert 'name="password"' in page
    fields = {**_fields(page), "username": "alice", "password": "a good secret"}
    assert "this device" in browser.post("/admin/login/", **fields)
    return browser


def _action(form: str) -> str:
    found = re.search(r'action="([^"]+)"', form)
    assert found
    return found[1]


def _fields(form: str) -> dict[str, str]:
    tags = re.findall(r"<(?:input|button)[^>]*>", form)
    found = {}
    for tag in tags:
        name, value = (re.search(rf'{attribute}="([^"]*)"', tag) for attribute in ("name", "value"))
        if name and value:
            found[name[1]] = value[1]
    return found
