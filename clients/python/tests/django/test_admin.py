"""The sessions of a user in the admin."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from redis_session_client.django import count
from redis_session_client.django.admin import sessions_link
from tests.django.conftest import Browser

pytestmark = pytest.mark.usefixtures("site")
NewBrowser = Callable[[], Browser]
PAGES = "/admin/redis_session/usersession/"


@pytest.fixture
def visitors(browser: NewBrowser, alice: User) -> list[Browser]:
    visitors = [browser(), browser()]
    for visitor in visitors:
        visitor.signs_in()
    return visitors


@pytest.fixture
def staff(browser: NewBrowser, bob: User) -> Browser:
    bob.is_staff = True
    bob.save()
    staff = browser()
    staff.signs_in("bob")
    return staff


def allow(bob: User, *actions: str) -> None:
    bob.user_permissions.set(Permission.objects.filter(codename__in=[f"{action}_usersession" for action in actions]))


def test_the_permissions_are_there(staff: Browser) -> None:
    assert set(
        Permission.objects.filter(content_type__app_label="redis_session").values_list("codename", flat=True)
    ) == {
        "view_usersession",
        "delete_usersession",
    }


def test_without_a_permission_there_is_nothing_to_see(staff: Browser, visitors: list[Browser], alice: User) -> None:
    assert staff.get(PAGES).status_code == 403
    assert staff.get(f"{PAGES}{alice.pk}/").status_code == 403
    assert staff.post(f"{PAGES}{alice.pk}/", {"all": "1"}).status_code == 403
    assert count(alice) == 2


def test_who_may_view_sees_them(staff: Browser, visitors: list[Browser], alice: User, bob: User) -> None:
    allow(bob, "view")
    assert "Sessions" in staff.get("/admin/").content.decode()
    found = staff.get(f"{PAGES}?q=ali").content.decode()
    assert f'href="{PAGES}{alice.pk}/"' in found
    assert "No such user." in staff.get(f"{PAGES}?q=zzz").content.decode()
    page = staff.get(f"{PAGES}{alice.pk}/").content.decode()
    assert page.count("Firefox on Linux") == 2
    assert "End all sessions" not in page
    assert staff.post(f"{PAGES}{alice.pk}/", {"all": "1"}).status_code == 403
    assert count(alice) == 2
    for nobody in ("999", "alice", "1.5", "%00"):
        assert staff.get(f"{PAGES}{nobody}/").status_code == 404


def test_who_may_delete_ends_one(staff: Browser, visitors: list[Browser], alice: User, bob: User) -> None:
    allow(bob, "view", "delete")
    handles = re.findall(r'name="handle" value="([^"]+)"', staff.get(f"{PAGES}{alice.pk}/").content.decode())
    response = staff.post(f"{PAGES}{alice.pk}/", {"handle": handles[0]}, follow=True)
    assert "1 session was ended." in response.content.decode()
    assert count(alice) == 1
    assert LogEntry.objects.get().object_id == str(alice.pk)


def test_who_may_delete_ends_all(staff: Browser, visitors: list[Browser], alice: User, bob: User) -> None:
    allow(bob, "view", "delete")
    response = staff.post(f"{PAGES}{alice.pk}/", {"all": "1"}, follow=True)
    assert "2 sessions were ended." in response.content.decode()
    assert [visitor.who() for visitor in visitors] == ["nobody", "nobody"]


def test_ending_all_of_ones_own_keeps_this_one(staff: Browser, browser: NewBrowser, bob: User) -> None:
    allow(bob, "view", "delete")
    other = browser()
    other.signs_in("bob")
    staff.post(f"{PAGES}{bob.pk}/", {"all": "1"})
    assert [staff.who(), other.who()] == ["bob", "nobody"]


def test_a_link_for_the_admin_of_users(alice: User) -> None:
    assert f'href="{PAGES}{alice.pk}/"' in sessions_link(alice)
    assert sessions_link(User()) == "-"
