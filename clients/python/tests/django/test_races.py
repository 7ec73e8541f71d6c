"""Requests of one browser at the same time as its login: nobody is logged out, and nothing comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError

from redis_session_client.django import SessionRotated, SessionStore, count
from tests.django.conftest import Browser
from tests.django.settings import MIDDLEWARE
from tests.servers import Server

pytestmark = pytest.mark.usefixtures("site", "alice")
Site = Callable[..., None]
NewBrowser = Callable[[], Browser]

OURS = ["redis_session_client.django.middleware.SessionMiddleware", *MIDDLEWARE[1:]]


@pytest.fixture
def visitor(browser: NewBrowser) -> Browser:
    """Somebody with a session, who is not logged in."""
    visitor = browser()
    visitor.writes(cart="[1]")
    return visitor


def sets_cookie(response: Any) -> bool:
    return "sessionid" in response.cookies


# --- the login-cookie race: a request with the old cookie arrives after the login ---


def test_a_late_request_reads_what_was_before_the_login(visitor: Browser) -> None:
    late = visitor.twin()
    visitor.signs_in()
    response = late.get("/read/")
    assert response.json() == {"cart": [1]}
    assert not sets_cookie(response)
    assert late.who() == "nobody"
    assert visitor.who() == "alice"


def test_what_a_late_request_writes_is_dropped_and_the_cookie_left_alone(visitor: Browser) -> None:
    late = visitor.twin()
    visitor.signs_in()
    response = late.get("/write/?cart=[2]")
    assert response.status_code == 200
    assert not sets_cookie(response)
    assert response.headers["Vary"] == "Cookie"
    assert visitor.reads() == {"cart": [1]}


def test_a_late_request_after_the_grace(site: Site, visitor: Browser) -> None:
    site(rotation_grace=0)
    late = visitor.twin()
    visitor.signs_in()
    assert late.reads() == {}
    assert visitor.who() == "alice"


def test_a_second_click_on_log_in(visitor: Browser) -> None:
    second = visitor.twin()
    visitor.signs_in()
    assert second.signs_in().status_code == 200
    assert second.who() == "alice"
    assert second.cookie != visitor.cookie
    assert second.reads() == {"cart": [1]}
    assert visitor.who() == "alice"


def test_a_library_that_sets_the_user_in_a_snapshot_gets_a_session_of_its_own(visitor: Browser) -> None:
    old = visitor.cookie
    visitor.signs_in()
    session = SessionStore(old)
    session["_auth_user_id"] = "77"
    assert session.modified
    session.save()
    assert session.session_key not in (old, visitor.cookie)
    assert SessionStore(session.session_key)["cart"] == [1]
    assert count("77") == 1


def test_logging_out_by_the_old_cookie_deletes_it(visitor: Browser) -> None:
    late = visitor.twin()
    visitor.signs_in()
    late.get("/sign-off/")
    assert late.cookie is None


def test_a_snapshot_that_is_saved_by_hand_drops_it_and_says_nothing(visitor: Browser) -> None:
    old = visitor.cookie
    visitor.signs_in()
    session = SessionStore(old)
    session["cart"] = [2]
    assert not session.modified
    session.save()
    assert not session.exists(old)
    assert visitor.reads() == {"cart": [1]}


def test_a_new_id_for_a_snapshot_makes_no_second_session(visitor: Browser, server: Server, alice: User) -> None:
    visitor.signs_in()
    old = visitor.cookie
    visitor.get("/")
    rotated = SessionStore(old)
    rotated.cycle_key()
    rotated.save()
    late = SessionStore(old)
    late.cycle_key()  # as Django does where the secret key has changed
    late["_auth_user_hash"] = "new"
    assert not late.modified
    late.save()
    assert count(alice) == 1


# --- a request that has read the session when the login comes ---


def test_a_write_that_comes_after_the_rotation_is_refused(visitor: Browser) -> None:
    slow = SessionStore(visitor.cookie)
    slow["cart"].append(2)
    visitor.signs_in()
    slow.modified = True
    with pytest.raises(SessionRotated):
        slow.save()
    assert issubclass(SessionRotated, UpdateError)
    assert visitor.reads() == {"cart": [1]}


def slow_write(browser: Browser, meanwhile: Callable[[], object]) -> Any:
    """A page that writes, while something else happens between reading and writing."""
    original = SessionStore.save

    def save(self: SessionStore, must_create: bool = False) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SessionStore, "save", original)
            meanwhile()
            self.save(must_create)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SessionStore, "save", save)
        return browser.get("/write/?cart=[2]")


def test_with_djangos_middleware_that_page_is_a_400_and_the_cookie_stays(visitor: Browser) -> None:
    slow = visitor.twin()
    response = slow_write(slow, visitor.signs_in)
    assert response.status_code == 400
    assert not sets_cookie(response)
    assert visitor.who() == "alice"


def test_with_our_middleware_that_page_is_delivered(site: Site, visitor: Browser) -> None:
    site(MIDDLEWARE=OURS)
    slow = visitor.twin()
    response = slow_write(slow, visitor.signs_in)
    assert response.status_code == 200
    assert response.headers["Vary"] == "Cookie"
    assert not sets_cookie(response)
    assert visitor.who() == "alice"
    assert visitor.reads() == {"cart": [1]}


@pytest.mark.parametrize("middleware", [MIDDLEWARE, OURS])
def test_signed_out_meanwhile_is_a_400_with_either(site: Site, visitor: Browser, middleware: list[str]) -> None:
    site(MIDDLEWARE=middleware)
    visitor.signs_in()
    slow = visitor.twin()
    response = slow_write(slow, lambda: visitor.get("/sign-off/"))
    assert response.status_code == 400
    assert not sets_cookie(response)


# --- SESSION_SAVE_EVERY_REQUEST: the middleware would set the old cookie again ---


def test_saving_every_request_with_djangos_middleware(site: Site, visitor: Browser) -> None:
    site(SESSION_SAVE_EVERY_REQUEST=True)
    late = visitor.twin()
    visitor.signs_in()
    response = late.get("/read/")
    assert response.status_code == 400
    assert not sets_cookie(response)
    assert visitor.who() == "alice"


def test_saving_every_request_with_our_middleware(site: Site, visitor: Browser) -> None:
    site(SESSION_SAVE_EVERY_REQUEST=True, MIDDLEWARE=OURS)
    late = visitor.twin()
    visitor.signs_in()
    response = late.get("/read/")
    assert response.json() == {"cart": [1]}
    assert response.headers["Vary"] == "Cookie"
    assert not sets_cookie(response)
    assert sets_cookie(visitor.get("/read/"))


# --- a change of the password gives a new id, too ---


def change_password(browser: Browser) -> Any:
    return browser.post(
        "/password/", {"old_password": "secret", "new_password1": "n-E-w-1", "new_password2": "n-E-w-1"}
    )


def test_a_late_request_after_a_change_of_the_password(visitor: Browser) -> None:
    visitor.signs_in()
    late = visitor.twin()
    assert change_password(visitor).status_code == 302
    response = late.get("/")
    # The snapshot has the hash of the old password, so nobody is logged in by it.
    assert response.content == b"nobody"
    assert not sets_cookie(response)
    assert visitor.who() == "alice"


def test_a_late_request_that_writes_after_a_change_of_the_password(visitor: Browser) -> None:
    visitor.signs_in()
    late = visitor.twin()
    change_password(visitor)
    late.get("/")
    response = late.get("/write/?cart=[2]")
    assert not sets_cookie(response)
    assert visitor.reads() == {"cart": [1]}


def test_what_is_written_after_the_user_was_found_stale_begins_no_session(visitor: Browser, server: Server) -> None:
    visitor.signs_in()
    late = visitor.twin()
    change_password(visitor)
    keys = server.keys()
    response = late.get("/visit/")
    assert response.content == b"nobody"
    assert not sets_cookie(response), "it would undo the one that the change of the password has set"
    assert server.keys() == keys
    assert visitor.who() == "alice"


def test_a_login_as_somebody_else_by_a_snapshot(visitor: Browser, bob: User) -> None:
    visitor.signs_in()
    late = visitor.twin()
    change_password(visitor)
    assert late.signs_in("bob").status_code == 200
    assert late.who() == "bob"
    assert late.reads() == {}
    assert visitor.who() == "alice"
    assert count(bob) == 1


def test_a_login_as_somebody_else_leaves_the_data_behind(visitor: Browser, bob: User, alice: User) -> None:
    visitor.signs_in()
    visitor.signs_in("bob")
    assert visitor.who() == "bob"
    assert visitor.reads() == {}
    assert (count(alice), count(bob)) == (0, 1)
