"""The most sessions of a user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user, login
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.test import AsyncRequestFactory, RequestFactory

from redis_session_client.django import SessionLimit, SessionStore, count
from tests.django.conftest import Browser
from tests.servers import Server, wait_for

pytestmark = pytest.mark.usefixtures("site", "alice")
Site = Callable[..., None]
NewBrowser = Callable[[], Browser]


def later(server: Server) -> None:
    """Waits for the next millisecond of the server, so that times are not the same."""

    def milliseconds() -> int:
        seconds, microseconds = map(int, server.command("TIME"))
        return seconds * 1000 + microseconds // 1000

    now = milliseconds()
    wait_for(lambda: milliseconds() > now)


def test_the_oldest_goes(site: Site, browser: NewBrowser, alice: User) -> None:
    site(max_sessions=2)
    browsers = [browser() for _ in range(3)]
    for one in browsers:
        one.signs_in()
    assert [one.who() for one in browsers] == ["nobody", "alice", "alice"]
    assert count(alice) == 2


def test_the_least_recently_used_goes(site: Site, browser: NewBrowser, server: Server) -> None:
    site(max_sessions=2, on_limit="lru")
    first, second, third = browser(), browser(), browser()
    first.signs_in()
    second.signs_in()
    later(server)
    assert first.who() == "alice"
    third.signs_in()
    assert [one.who() for one in (first, second, third)] == ["alice", "nobody", "alice"]


def test_one_too_many_is_refused(site: Site, browser: NewBrowser, alice: User) -> None:
    site(max_sessions=1, on_limit="reject")
    first, second = browser(), browser()
    first.signs_in()
    second.writes(cart="[1]")
    cookie = second.cookie
    assert second.signs_in().status_code == 403
    assert second.cookie == cookie
    assert second.reads() == {"cart": [1]}
    assert [first.who(), second.who()] == ["alice", "nobody"]
    first.get("/sign-off/")
    second.signs_in()
    assert second.who() == "alice"


def test_a_new_visitor_is_refused_without_a_session(site: Site, browser: NewBrowser, server: Server) -> None:
    site(max_sessions=1, on_limit="reject")
    first, second = browser(), browser()
    first.signs_in()
    assert second.signs_in().status_code == 403
    assert second.cookie is None
    assert len(server.keys()) == 1


def test_login_raises_what_a_site_can_catch(site: Site, browser: NewBrowser, alice: User) -> None:
    site(max_sessions=1, on_limit="reject")
    browser().signs_in()
    request = RequestFactory().post("/login/")
    visitor = SessionStore()
    visitor["cart"] = [1]
    visitor.save()
    request.session = SessionStore(visitor.session_key)
    request.user = get_user(request)
    with pytest.raises(SessionLimit) as caught:
        login(request, alice)
    assert isinstance(caught.value, PermissionDenied)
    assert caught.value.code == "SESSIONLIMIT"
    assert request.user.is_anonymous
    assert request.session.session_key == visitor.session_key
    assert dict(request.session.items()) == {"cart": [1]}
    request.session["said"] = "too many"
    request.session.save()
    assert SessionStore(visitor.session_key)["said"] == "too many"


def test_a_second_click_that_is_one_too_many_leaves_the_cookie_alone(
    site: Site, browser: NewBrowser, alice: User
) -> None:
    site(max_sessions=1, on_limit="reject")
    visitor = browser()
    visitor.writes(cart="[1]")
    old = visitor.cookie
    visitor.signs_in()
    request = RequestFactory().post("/login/")
    request.session = SessionStore(old)
    with pytest.raises(SessionLimit):
        login(request, alice)
    assert request.session.is_snapshot
    assert request.session.session_key == old
    assert not request.session.is_empty()
    assert visitor.who() == "alice"


async def test_alogin_raises_it_too(site: Site, alice: User) -> None:
    auth: Any = pytest.importorskip("django.contrib.auth")
    if not hasattr(auth, "alogin"):
        pytest.skip("Django has no alogin")
    site(max_sessions=1, on_limit="reject")
    first = AsyncRequestFactory().get("/")
    first.session = SessionStore()
    await auth.alogin(first, alice)
    await first.session.asave()
    second: HttpRequest = AsyncRequestFactory().get("/")
    second.session = SessionStore()
    with pytest.raises(SessionLimit):
        await auth.alogin(second, alice)
    assert second.session.session_key is None


def test_the_same_login_again_is_none_too_many(site: Site, browser: NewBrowser) -> None:
    site(max_sessions=1, on_limit="reject")
    visitor = browser()
    visitor.signs_in()
    assert visitor.signs_in().status_code == 200
    visitor.writes(cart="[1]")
    assert visitor.who() == "alice"
