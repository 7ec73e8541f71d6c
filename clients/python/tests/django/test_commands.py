"""What a request costs: the server counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from tests.django.conftest import Browser
from tests.servers import Server

pytestmark = pytest.mark.usefixtures("site")
NewBrowser = Callable[[], Browser]


def test_a_visitor_without_a_cookie_costs_nothing(server: Server, browser: NewBrowser) -> None:
    with server.counting() as calls:
        browser().reads()
    assert calls.total() == 0


def test_reading_is_one_command(server: Server, browser: NewBrowser) -> None:
    visitor = browser()
    visitor.writes(cart="[1, 2]")
    with server.counting() as calls:
        assert visitor.reads() == {"cart": [1, 2]}
    assert calls == {"session.getex": 1}


def test_the_first_write_is_one_command(server: Server, browser: NewBrowser) -> None:
    with server.counting() as calls:
        browser().writes(cart="[1, 2]")
    assert calls == {"session.set": 1}


def test_writing_is_two_commands(server: Server, browser: NewBrowser) -> None:
    visitor = browser()
    visitor.writes(cart="[1, 2]")
    with server.counting() as calls:
        visitor.writes(cart="[1, 2, 3]")
    assert calls == {"session.getex": 1, "session.set": 1}


def test_twenty_fields_are_written_with_two_commands(server: Server, browser: NewBrowser) -> None:
    visitor = browser()
    visitor.writes(first="1")
    with server.counting() as calls:
        visitor.writes(**{f"field{n}": str(n) for n in range(20)})
    assert calls == {"session.getex": 1, "session.set": 1}
    assert len(visitor.reads()) == 21


def test_login_of_a_visitor_with_a_session(server: Server, browser: NewBrowser, alice: User) -> None:
    visitor = browser()
    visitor.writes(cart="[1, 2]")
    with server.counting() as calls:
        visitor.signs_in()
    assert calls == {"session.getex": 1, "session.rotate": 1}
    assert visitor.who() == "alice"
    assert visitor.reads() == {"cart": [1, 2]}


def test_login_of_a_new_visitor(server: Server, browser: NewBrowser, alice: User) -> None:
    visitor = browser()
    with server.counting() as calls:
        visitor.signs_in()
    assert calls == {"session.set": 1}
    assert visitor.who() == "alice"


def test_login_under_a_limit(site: Callable[..., None], server: Server, browser: NewBrowser, alice: User) -> None:
    site(max_sessions=2, on_limit="reject")
    visitor = browser()
    visitor.writes(cart="[1, 2]")
    with server.counting() as calls:
        visitor.signs_in()
    assert calls.total() <= 3
    assert visitor.who() == "alice"


def test_logout(server: Server, browser: NewBrowser, alice: User) -> None:
    visitor = browser()
    visitor.signs_in()
    with server.counting() as calls:
        visitor.get("/sign-off/")
    assert calls == {"session.getex": 1, "session.del": 1}
    assert visitor.who() == "nobody"
    assert server.keys() == []


def test_saving_every_request_costs_no_more_where_reading_keeps_alive(server: Server, browser: NewBrowser) -> None:
    visitor = browser()
    visitor.writes(cart="[1, 2]")
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True), server.counting() as calls:
        assert visitor.reads() == {"cart": [1, 2]}
    assert calls == {"session.getex": 1}


def test_an_async_view_costs_the_same(server: Server, browser: NewBrowser) -> None:
    visitor = browser()
    visitor.writes(cart="[1, 2]")
    with server.counting() as calls:
        assert visitor.get("/aread/").json() == {"cart": [1, 2]}
    assert calls == {"session.getex": 1}
    with server.counting() as calls:
        visitor.get("/awrite/?cart=[3]")
    assert calls == {"session.getex": 1, "session.set": 1}
