"""What is known of the sessions that are watched: it does not grow with time."""

from __future__ import annotations

import pytest

from redis_session_client.events.watched import WatchedSessions

LATE = 4102444800000  # ms; the year 2100


def look(watched: WatchedSessions, deadline: int) -> None:
    watched.doubt_all()
    for key in watched.questions(1000):
        watched.answer(key, {"grace": None, "deadline": deadline})


@pytest.mark.parametrize("step", [0, 1, -1], ids=["unused", "used", "shortened"])
def test_it_does_not_grow_with_every_look(step: int) -> None:
    watched = WatchedSessions()
    for number in range(10):
        watched.add(f"key{number}", f"id{number}")
    for round_ in range(1000):
        look(watched, LATE + step * round_)
    assert len(watched._due) <= 200
    assert watched.next_due() == pytest.approx((LATE + step * 999) / 1000, abs=0.1)


def test_nor_with_sockets_that_come_and_go() -> None:
    watched = WatchedSessions()
    watched.add("stays", "stays")
    look(watched, LATE)
    for number in range(1000):
        watched.add(f"key{number}", "id")
        look(watched, LATE)
        watched.remove(f"key{number}")
    assert len(watched._due) <= 200
    assert watched.next_due() == pytest.approx(LATE / 1000, abs=0.1)
