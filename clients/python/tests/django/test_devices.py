""" "My devices": the functions, and the pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.test import Client

from redis_session_client.django import (
    SessionStore,
    acount,
    adevices,
    asign_out,
    asign_out_device,
    count,
    devices,
    sign_out,
    sign_out_device,
)
from redis_session_client.django.receivers import name_of_agent
from tests.django.conftest import Browser

pytestmark = pytest.mark.usefixtures("site")
NewBrowser = Callable[..., Browser]

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1 Version/18.5 Mobile Safari/604.1"


@pytest.fixture
def laptop(browser: NewBrowser, alice: User) -> Browser:
    laptop = browser()
    laptop.signs_in()
    return laptop


@pytest.fixture
def phone(browser: NewBrowser, laptop: Browser) -> Browser:
    phone = browser(PHONE)
    phone.signs_in()
    return phone


# --- the functions ---


def test_a_user_sees_their_devices(laptop: Browser, phone: Browser, alice: User) -> None:
    found = devices(alice, current=phone.cookie)
    assert [(one.device["name"], one.current) for one in found] == [
        ("Safari on iPhone", True),
        ("Firefox on Linux", False),
    ]
    assert found[0].device["ip"] == "127.0.0.1"
    assert found[0].device["agent"] == PHONE
    assert found[0].created <= found[0].last_access < found[0].deadline  # type: ignore[operator]
    assert all(len(one.handle) == 22 and one.handle not in (laptop.cookie, phone.cookie) for one in found)


def test_users_and_sessions_may_be_named_in_several_ways(laptop: Browser, phone: Browser, alice: User) -> None:
    request = HttpRequest()
    request.session = SessionStore(phone.cookie)
    for user in (alice, alice.pk, str(alice.pk)):
        for current in (request, request.session, phone.cookie):
            assert [one.current for one in devices(user, current=current)] == [True, False]
    assert count(alice) == 2
    assert [one.current for one in devices(alice)] == [False, False]


def test_nobody_is_no_user() -> None:
    for nobody in (None, "", AnonymousUser(), User(username="unsaved")):
        with pytest.raises(ValueError, match="nobody is logged in"):
            devices(nobody)


def test_what_is_no_session_is_refused(alice: User) -> None:
    with pytest.raises(TypeError, match="not int"):
        sign_out(alice, keep=5)


def test_signing_out_one(laptop: Browser, phone: Browser, alice: User, bob: User) -> None:
    handle = devices(alice, current=phone.cookie)[1].handle
    assert not sign_out_device(bob, handle)
    assert sign_out_device(alice, handle)
    assert not sign_out_device(alice, handle)
    assert [laptop.who(), phone.who()] == ["nobody", "alice"]


def test_signing_out_the_others_and_everywhere(laptop: Browser, phone: Browser, alice: User) -> None:
    assert sign_out(alice, keep=phone.cookie) == 1
    assert [laptop.who(), phone.who()] == ["nobody", "alice"]
    assert sign_out(alice) == 1
    assert phone.who() == "nobody"
    assert count(alice) == 0


@pytest.mark.parametrize("named", ["request", "session", "key"])
def test_the_session_that_is_kept_may_be_about_to_get_a_new_id(phone: Browser, alice: User, named: str) -> None:
    request = HttpRequest()
    request.session = SessionStore(phone.cookie)
    request.session.cycle_key()
    keep = {"request": request, "session": request.session, "key": request.session.session_key}[named]
    assert [one.current for one in devices(alice, current=keep)] == [True, False]
    assert sign_out(alice, keep=keep) == 1
    request.session.save()
    assert count(alice) == 1
    assert SessionStore(request.session.session_key)["_auth_user_id"] == str(alice.pk)


async def test_the_async_forms(alice: User) -> None:
    sessions = [SessionStore() for _ in range(3)]
    for session in sessions:
        await session.aset("_auth_user_id", str(alice.pk))
        await session.asave()
    assert await acount(alice) == 3
    found = await adevices(alice, current=sessions[0])
    other = next(one for one in found if not one.current)
    assert await asign_out_device(alice, other.handle)
    assert await asign_out(alice, keep=sessions[0]) == 1
    assert await acount(alice) == 1
    assert await sessions[0].aexists(sessions[0].session_key)


# --- what is noted of a device ---


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0 Safari/537.36 Edg/138.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0 Safari/537.36",
            "Chrome on Windows",
        ),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/138.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18 Safari/605", "Safari on macOS"),
        ("curl/8.5.0", "curl"),
        ("<script>alert(1)</script>", ""),
        ("", ""),
    ],
)
def test_browsers_have_names(agent: str, name: str) -> None:
    assert name_of_agent(agent) == name


# --- the pages ---


def forms(page: str) -> list[str]:
    return re.findall(r'name="handle" value="([^"]+)"', page)


def test_the_page_lists_the_devices(laptop: Browser, phone: Browser) -> None:
    page = phone.get("/devices/").content.decode()
    assert "Safari on iPhone" in page
    assert "Firefox on Linux" in page
    assert page.count("this device") == 1
    assert "Sign out all other devices" in page
    assert len(forms(page)) == 2
    assert str(laptop.cookie) not in page
    assert str(phone.cookie) not in page


def test_a_user_agent_cannot_write_into_the_page(browser: NewBrowser, alice: User) -> None:
    visitor = browser("<script>alert(1)</script>")
    visitor.signs_in()
    page = visitor.get("/devices/").content.decode()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_a_session_that_began_elsewhere_is_an_unknown_device(laptop: Browser, alice: User) -> None:
    """Of sessions that were moved in nothing is noted, and a site may note what it likes."""
    session = laptop.session
    del session["_device"]
    session.save()
    assert devices(alice)[0].device == {"ip": "", "agent": "", "name": ""}
    assert "<strong>Unknown device</strong>" in laptop.get("/devices/").content.decode()
    alice.is_staff = alice.is_superuser = True
    alice.save()
    page = laptop.get(f"/admin/redis_session/usersession/{alice.pk}/").content.decode()
    assert "<td>-</td>" in page

    session = laptop.session
    session["_device"] = {"place": "at home"}
    session.save()
    assert "<strong>Unknown device</strong>" in laptop.get("/devices/").content.decode()
    assert "- (this session)" in laptop.get(f"/admin/redis_session/usersession/{alice.pk}/").content.decode()


def test_an_app_that_stands_before_this_one_adds_to_the_note(browser: NewBrowser, alice: User) -> None:
    visitor = browser()
    visitor.post("/sign-in/", {"username": "alice", "password": "secret"}, HTTP_X_PLACE="at home")
    noted = devices(alice)[0].device
    assert noted["place"] == "at home"
    assert noted["name"] == "Firefox on Linux"


def test_one_device_alone_has_no_others(laptop: Browser) -> None:
    assert "Sign out all other devices" not in laptop.get("/devices/").content.decode()


def test_the_page_is_for_who_is_logged_in(browser: NewBrowser) -> None:
    for path in ("", "sign-out/", "sign-out-others/", "confirm-password/"):
        response = browser().get(f"/devices/{path}")
        assert response.status_code in (302, 405)
        if response.status_code == 302:
            assert response.headers["Location"].startswith("/login/")


def test_signing_out_a_device_on_the_page(laptop: Browser, phone: Browser) -> None:
    mine, other = forms(phone.get("/devices/").content.decode())
    response = phone.post("/devices/sign-out/", {"handle": other}, follow=True)
    assert "The device is signed out." in response.content.decode()
    assert [laptop.who(), phone.who()] == ["nobody", "alice"]
    response = phone.post("/devices/sign-out/", {"handle": other}, follow=True)
    assert "signed out already" in response.content.decode()
    response = phone.post("/devices/sign-out/", {"handle": mine})
    assert response.headers["Location"] == "/login/"
    assert phone.who() == "nobody"
    assert phone.cookie is None


def test_signing_out_the_others_on_the_page(laptop: Browser, phone: Browser) -> None:
    response = phone.post("/devices/sign-out-others/", follow=True)
    assert "1 other device is signed out." in response.content.decode()
    assert [laptop.who(), phone.who()] == ["nobody", "alice"]


def test_nobody_signs_out_a_stranger(laptop: Browser, browser: NewBrowser, bob: User) -> None:
    (handle,) = forms(laptop.get("/devices/").content.decode())
    stranger = browser()
    stranger.signs_in("bob")
    stranger.post("/devices/sign-out/", {"handle": handle})
    assert laptop.who() == "alice"


@pytest.mark.parametrize("path", ["sign-out/", "sign-out-others/"])
def test_the_forms_are_protected(laptop: Browser, path: str) -> None:
    assert laptop.get(f"/devices/{path}").status_code == 405
    careful = Client(enforce_csrf_checks=True)
    careful.cookies["sessionid"] = str(laptop.cookie)
    assert careful.post(f"/devices/{path}", {"handle": "x"}).status_code == 403
    assert laptop.who() == "alice"


def test_the_forms_work_with_their_tokens(laptop: Browser, phone: Browser) -> None:
    careful: Any = Client(enforce_csrf_checks=True)
    careful.cookies["sessionid"] = laptop.cookie
    page = careful.get("/devices/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    careful.post("/devices/sign-out-others/", {"csrfmiddlewaretoken": token[1]})
    assert [laptop.who(), phone.who()] == ["alice", "nobody"]
