"""The examples of docs/pyramid.md."""

from __future__ import annotations

import configparser
import pickle
import re
from typing import Any

import pytest
from pyramid import authentication
from webtest import TestApp

from redis_session_client.pyramid import session_factory_from_settings
from tests.pages import at_server, run, section
from tests.servers import TOP

PAGE = TOP / "docs/pyramid.md"
MOVED = 302
DOTTED_NAMES = {"pickle.dumps": pickle.dumps, "pickle.loads": pickle.loads}

pytestmark = pytest.mark.skipif(
    not hasattr(authentication, "SessionAuthenticationHelper"), reason="the page is written for Pyramid 2"
)


@pytest.fixture
def page(server):
    return run(PAGE, server)


def browser(app, agent="Firefox"):
    return TestApp(app, extra_environ={"HTTP_USER_AGENT": agent, "REMOTE_ADDR": "192.0.2.1"})


def logged_in(app, agent="Firefox", user="alice"):
    visitor = browser(app, agent)
    assert visitor.post("/login", {"user": user}).status_int == MOVED
    return visitor


def test_set_up(page):
    names, apps = page
    visitor = browser(apps[0])
    assert visitor.get("/visits").text == "visit 1"
    assert visitor.get("/visits").text == "visit 2"
    assert names["other"].registry is not None


def test_login(page):
    visitor = logged_in(page[1][1])
    before = visitor.cookies["session"]
    visitor.post("/login", {"user": "bob"})
    assert visitor.cookies["session"] != before
    assert "Max-Age=0" in visitor.post("/logout").headers["Set-Cookie"]


def test_my_devices(page):
    app = page[1][2]
    laptop, phone = logged_in(app, "Firefox"), logged_in(app, "Safari")
    shown = phone.get("/my_devices")
    assert re.findall(r"<li>(\w+) at 192.0.2.1", shown.text) == ["Safari", "Firefox"]
    assert shown.text.count("(this one)") == 1
    shown.forms[0].submit("device")
    laptop.get("/my_devices", status=403)
    tablet = logged_in(app, "Chrome")
    phone.get("/my_devices").forms[0].submit("others")
    tablet.get("/my_devices", status=403)
    tablet = logged_in(app, "Chrome")
    before = phone.cookies["session"]
    phone.post("/change_password")
    assert phone.cookies["session"] != before
    tablet.get("/my_devices", status=403)


def test_a_cap(page):
    app = page[1][3]
    statuses = [browser(app).post("/careful_login", {"user": "alice"}, status="*").status_int for _ in range(3)]
    assert statuses == [MOVED, MOVED, 403]


def test_how_long(page, server):
    visitor = logged_in(page[1][4])
    visitor.post("/shared_computer")
    (key,) = server.command("SESSION.BYUSER", "alice")
    reply = server.command("SESSION.INFO", key)
    assert (reply[reply.index("idle") + 1], reply[reply.index("lifetime") + 1]) == (300_000, 8 * 3600 * 1000)


def test_step_up(page):
    visitor = logged_in(page[1][5])
    visitor.get("/close_account", status=403)
    assert visitor.post("/confirm").follow().text == "Really?"


def test_a_client_of_the_site_s_own(page):
    names, apps = page
    visitor = browser(apps[6])
    assert visitor.get("/visits").text == "visit 1"
    assert visitor.get("/visits").text == "visit 2"
    assert names["shared"].connection_pool.connection_kwargs["socket_timeout"] == 1


def test_a_page_for_trouble(page, server):
    visitor = browser(page[1][7])
    assert visitor.get("/visits").text == "visit 1"
    server.stop()
    assert "try again" in visitor.get("/visits", status=503).text
    server.start()
    assert visitor.get("/visits").text == "visit 1"


def test_what_the_page_says_of_pyramid_redis_sessions(server):
    """The two packages side by side, in commands."""
    from .sites import Site
    from .test_moving import OldSite, old_factory

    found = []
    for site in (OldSite(old_factory(server)), Site(server)):
        visitor = site.browser()
        visitor.do(lambda request: request.session.update(dict.fromkeys(map(str, range(20)), 0)))
        with server.counting() as read:
            visitor.do(lambda request: [request.session[str(n)] for n in range(5)])
        with server.counting() as written:
            visitor.do(lambda request: [request.session.__setitem__(str(n), n + 1) for n in range(20)])
        found.append((read.total(), written.total()))
    assert found == [(7, 82), (1, 2)]
    assert "takes 7 commands to read five keys, one more for each further key, and 82 to set twenty" in PAGE.read_text()


def test_back(page, server):
    from .old import pyramid_redis_sessions
    from .sites import Site

    names, _ = page
    visitor = Site(server, secret=names["settings"]["redis.sessions.secret"]).browser()
    visitor.login()
    client = server.client(decode_responses=False)
    old = pyramid_redis_sessions.RedisSessionFactory(
        names["settings"]["redis.sessions.secret"], client_callable=lambda request, **_: client
    )

    class Back(Site):
        def configure(self, config):
            config.set_session_factory(names["roll_back"](old, names["settings"]))

    after = Back(server).browser()
    after.cookie = visitor.cookie
    assert after.do(lambda request: request.session["auth.userid"]) == "alice"


def test_settings_files(page, server):
    files = re.findall(r"^ *```ini\n(.*?)^ *```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(files) == 3
    for text in files:
        file = configparser.ConfigParser()
        file.read_string("[app:main]\n" + re.sub("^ +", "", at_server(text, server), flags=re.MULTILINE))
        settings: dict[str, Any] = dict(file["app:main"])
        # As config.include() does.
        settings = {name: DOTTED_NAMES.get(value, value) for name, value in settings.items()}
        session_factory_from_settings({"redis.sessions.secret": "s", **settings})


def test_every_setting_stands_in_the_page():
    from redis_session_client._pyramid.settings import NAMES

    named = set(re.findall(r"`(\w+)`", section(PAGE, "Settings").split("Timeouts of 0")[0]))
    assert {*NAMES, "check_at_start"} - named == {"charset", "errors"}
