"""Which sessions are watched, and what is known of each. Nothing here talks to a server."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: Why a session ended, as far as the server tells:
#: "signed-out": by SESSION.DEL, as a logout does;
#: "revoked": from elsewhere, by SESSION.REVOKE, or to make room for a newer one of its user;
#: "expired": its time was over; "evicted": the server needed the memory;
#: "rotated": it goes on under another key, after a login for example;
#: "deleted": by another command than those of sessions, DEL for example;
#: "unknown": it was found missing after a time in which no event could arrive.
Reason = Literal["signed-out", "revoked", "expired", "evicted", "rotated", "deleted", "unknown"]

#: The events by which a session can end. A rotated one is published as such, whether a snapshot stays or not.
EVENTS = ("session.del", "session.revoke", "session.rotate", "del", "expired", "evicted", "rename_from", "move_from")

# Events after which the session is gone for certain.
_CERTAIN: dict[str, Reason] = {"session.del": "signed-out", "session.revoke": "revoked"}
# A session is gone from its deadline on; some milliseconds later the server's answer says so.
_AFTER_DEADLINE = 0.025
_LATEST_AGAIN = 60.0
# An answer may overtake the event that says why a session is missing.
_EVENT_UNDER_WAY = 0.05
_SPARE = 100


@dataclass(frozen=True)
class EndedSession:
    """A session that ended."""

    #: What `watch` was called with.
    id: str
    #: Its key on the server.
    key: str
    reason: Reason


@dataclass
class _Watch:
    id: str
    deadline: float = math.inf
    #: When to ask without being told to: the server may take its time to remove a session whose time is over.
    due: float = math.inf
    #: How often in a row it was still there after its deadline: the clocks differ.
    late: int = 0
    #: What an event made us think: the reason, if the session turns out to be gone.
    suspicion: Reason | None = None
    asked: bool = False
    #: It was found missing, and no event has said why: one may be under way.
    missing: bool = False
    #: An event came while it was asked for, so the answer may be older than the event.
    again: bool = False

    @property
    def is_past_deadline(self) -> bool:
        return self.deadline <= time.time()


class WatchedSessions:
    """The sessions that somebody wants to know the end of.

    An event makes one suspicious, the server's answer decides. An event alone does not: in a cluster `del` also comes
    when a key moves to another node, and `session.rotate` comes for the new key as well as for the old one.
    """

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}
        self._questions: dict[str, None] = {}
        self._due: list[tuple[float, str]] = []
        self.ended: list[EndedSession] = []
        #: A key has left its server, and the session is still there: another server has it.
        self.has_moved = False

    def __len__(self) -> int:
        return len(self._watches)

    def add(self, key: str, name: str) -> None:
        if key not in self._watches:
            self._watches[key] = _Watch(name)
            self._questions[key] = None

    def remove(self, key: str) -> None:
        self._watches.pop(key, None)
        self._questions.pop(key, None)
        self.ended = [ended for ended in self.ended if ended.key != key]

    def doubt_all(self) -> None:
        """Something may have been missed: every session is to be asked for."""
        for key in self._watches:
            self._ask(key)

    def event(self, name: str, key: str) -> None:
        """Takes an event of a key, whether it is watched or not."""
        watch = self._watches.get(key)
        if watch is None:
            return
        reason = _CERTAIN.get(name)
        if reason is not None:
            self._end(key, watch, reason)
        elif name == "del" and watch.suspicion == "rotated":
            self._end(key, watch, "rotated")
        else:
            watch.suspicion = watch.suspicion or _suspicion(name, watch)
            self._ask(key)

    def questions(self, count: int) -> list[str]:
        """The next keys that the server is to be asked for, at most so many."""
        while self.next_due() <= time.time():
            _, key = heapq.heappop(self._due)
            self._watches[key].due = math.inf
            self._ask(key)
        chosen = list(self._questions)[:count]
        for key in chosen:
            del self._questions[key]
            self._watches[key].asked = True
        return chosen

    def next_due(self) -> float:
        """When there will be a question without any event, in Unix seconds; infinity for never."""
        while self._due:
            due, key = self._due[0]
            watch = self._watches.get(key)
            if watch is not None and watch.due == due:
                return due
            heapq.heappop(self._due)  # it has another time since, or none
        return math.inf

    def answer(self, key: str, info: Mapping[str, Any] | None) -> None:
        """What SESSION.INFO says of a key."""
        watch = self._watches.get(key)
        if watch is None:
            return
        watch.asked = False
        if info is None:
            self._is_missing(key, watch)
        elif info["grace"] is not None:
            self._end(key, watch, "rotated")
        elif watch.again:
            watch.again = False
            self._questions[key] = None
        else:
            self.has_moved = self.has_moved or watch.suspicion == "deleted"
            watch.suspicion = None
            watch.missing = False
            self._expect(key, watch, info["deadline"])

    def no_answer(self, key: str) -> None:
        """The server did not say: it is to be asked again."""
        watch = self._watches.get(key)
        if watch is not None:
            watch.asked = watch.again = False
            self._questions[key] = None

    def _ask(self, key: str) -> None:
        watch = self._watches[key]
        if watch.asked:
            watch.again = True
        else:
            self._questions[key] = None

    def _end(self, key: str, watch: _Watch, reason: Reason) -> None:
        self.remove(key)
        self.ended.append(EndedSession(watch.id, key, reason))

    def _is_missing(self, key: str, watch: _Watch) -> None:
        reason = watch.suspicion or ("expired" if watch.is_past_deadline else None)
        if reason is not None or watch.missing:
            self._end(key, watch, reason or "unknown")
        else:
            watch.missing = True
            self._ask_at(time.time() + _EVENT_UNDER_WAY, key, watch)

    def _expect(self, key: str, watch: _Watch, milliseconds: int | None) -> None:
        """Notes when the session's time is over, to ask for it then."""
        if milliseconds is None:
            watch.due = watch.deadline = math.inf
            return
        now = time.time()
        watch.deadline = milliseconds / 1000
        due = watch.deadline + _AFTER_DEADLINE
        watch.late = watch.late + 1 if due <= now else 0
        self._ask_at(now + min(0.1 * 2**watch.late, _LATEST_AGAIN) if watch.late else due, key, watch)

    def _ask_at(self, due: float, key: str, watch: _Watch) -> None:
        if due == watch.due:
            return  # as is noted already
        watch.due = due
        heapq.heappush(self._due, (due, key))
        # Entries that do not count any more are dropped when it is their turn, which may be in weeks.
        if len(self._due) > 2 * len(self._watches) + _SPARE:
            self._due = [(watch.due, key) for key, watch in self._watches.items() if watch.due < math.inf]
            heapq.heapify(self._due)


def _suspicion(event: str, watch: _Watch) -> Reason:
    if event == "session.rotate":
        return "rotated"
    if event == "expired" or (event == "del" and watch.is_past_deadline):
        return "expired"  # a command that finds a session past its deadline removes it by `del`
    return "evicted" if event == "evicted" else "deleted"
