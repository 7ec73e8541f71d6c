"""Asking for the password once more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponse
from django.urls import path

from redis_session_client.django import SessionStore, requires_step_up
from redis_session_client.django.views import ConfirmPasswordView
from tests.django import urls
from tests.django.conftest import Browser

pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture
def visitor(browser: Callable[[], Browser], alice: User) -> Browser:
    visitor = browser()
    visitor.signs_in()
    return visitor


def test_a_page_that_wants_the_password_once_more(visitor: Browser) -> None:
    response = visitor.get("/danger/?really=yes")
    assert response.headers["Location"] == "/devices/confirm-password/?next=/danger/%3Freally%3Dyes"
    page = visitor.get(response.headers["Location"]).content.decode()
    assert 'name="next" value="/danger/?really=yes"' in page
    wrong = visitor.post("/devices/confirm-password/", {"password": "guess", "next": "/danger/"})
    assert "The password is not right." in wrong.content.decode()
    assert visitor.get("/danger/").status_code == 302
    before = visitor.cookie
    right = visitor.post("/devices/confirm-password/", {"password": "secret", "next": "/danger/?really=yes"})
    assert right.headers["Location"] == "/danger/?really=yes"
    assert visitor.cookie != before
    assert visitor.get("/danger/").content == b"done"
    assert visitor.get("/adanger/").content == b"done"
    # The id from before has no share in it.
    late = Browser()
    late.cookies["sessionid"] = before or ""
    assert late.get("/danger/").status_code == 302


def test_an_async_page(visitor: Browser) -> None:
    assert visitor.get("/adanger/").headers["Location"].startswith("/devices/confirm-password/")


def test_it_goes_nowhere_else(visitor: Browser) -> None:
    response = visitor.post("/devices/confirm-password/", {"password": "secret", "next": "https://example.com/"})
    assert response.headers["Location"] == "/"


def test_a_wrong_password_is_a_failed_login(visitor: Browser) -> None:
    failed = []

    def note(credentials: dict[str, str], **_: object) -> None:
        failed.append(credentials["username"])

    user_login_failed.connect(note)
    try:
        visitor.post("/devices/confirm-password/", {"password": "guess"})
    finally:
        user_login_failed.disconnect(note)
    assert failed == ["alice"]


def test_a_page_of_the_sites_own_for_more_minutes(site: Any, visitor: Browser) -> None:
    @requires_step_up(confirm_url="again")
    def page(request: HttpRequest) -> HttpResponse:
        return HttpResponse("done")

    again = path("again/", ConfirmPasswordView.as_view(seconds=900), name="again")
    site(ROOT_URLCONF=(path("page/", page), again, *urls.urlpatterns))
    assert visitor.get("/page/").headers["Location"] == "/again/?next=/page/"
    visitor.post("/again/", {"password": "secret"})
    assert visitor.get("/page/").content == b"done"
    assert 890 < SessionStore(visitor.cookie)["_step_up_until"] - time.time() <= 900


def test_it_is_over_after_some_time(visitor: Browser) -> None:
    session = SessionStore(visitor.cookie)
    session.step_up(60)
    session.save()
    assert SessionStore(visitor.cookie).stepped_up
    with mock.patch("time.time", return_value=session["_step_up_until"] + 0.1):
        assert not SessionStore(visitor.cookie).stepped_up


def test_a_logout_ends_it(visitor: Browser) -> None:
    visitor.post("/devices/confirm-password/", {"password": "secret"})
    assert visitor.get("/danger/").status_code == 200
    visitor.get("/sign-off/")
    visitor.signs_in()
    assert visitor.get("/danger/").status_code == 302


async def test_the_async_forms() -> None:
    session = SessionStore()
    assert not await session.astepped_up()
    await session.astep_up(60)
    await session.aset_lifetime(3600)
    await session.asave()
    other = SessionStore(session.session_key)
    assert await other.astepped_up()
    assert await other.aget("_session_lifetime") == 3600
