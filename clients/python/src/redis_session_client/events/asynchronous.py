"""Sessions that end, as they end, for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .._drive import AsyncClient, AsyncServer, Command
from .._replies import named, text
from ..errors import ModuleMissing, WrongType
from .listening import FAILURES, Listening, end, is_refusal
from .watched import EndedSession, WatchedSessions

logger = logging.getLogger("redis_session_client.events")

#: The events that are needed: of keys, by their class.
_NEEDED = "Egxed"
_ROUNDS_WITH_EVENTS = 12
_QUESTIONS_AT_ONCE = 16
_SHORTEST_INTERVAL = 0.1
_LONGEST_SLEEP = 3600.0


class AsyncSessionEvents:
    """See `session_events`."""

    def __init__(
        self, client: AsyncClient, key: Callable[[str], str] | None, interval: float, *, published: bool
    ) -> None:
        self._server = AsyncServer(client)
        self._key = key
        self._interval = max(interval, _SHORTEST_INTERVAL)
        self._assume_published = published
        self._watched = WatchedSessions()
        self._listening = Listening(client, self._interval, self._event, self._caught_up, self._deaf)
        self._ended: deque[EndedSession] = deque()
        self._wake_iteration = asyncio.Event()
        self._wake_questions = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._warned: set[str] = set()
        self._is_listening = False
        self._is_published = False
        self._is_closed = False
        self._failure: BaseException | None = None

    # --- what an application calls ---

    def watch(self, session_id: str) -> None:
        """From now on the end of this session is told, also if it has ended already. It is told once."""
        if not self._is_closed:
            self._watched.add(self._key_of(session_id), session_id)
            self._wake_questions.set()

    def unwatch(self, session_id: str) -> None:
        """The end of this session is not told any more."""
        key = self._key_of(session_id)
        self._watched.remove(key)
        self._ended = deque(ended for ended in self._ended if ended.key != key)

    async def ready(self) -> None:
        """Waits until events are listened to, or it is clear that sessions must be asked for instead."""
        await self._is_ready.wait()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Ends the iteration. What it has opened is closed at the end of the `async with` block."""
        self._is_closed = True
        self._is_ready.set()
        self._wake_iteration.set()

    async def __aenter__(self) -> AsyncSessionEvents:
        jobs = (self._listening.run(), self._ask(), self._look_around())
        self._tasks = [asyncio.create_task(self._guard(job)) for job in jobs]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        await end(self._tasks)

    def __aiter__(self) -> AsyncSessionEvents:
        return self

    async def __anext__(self) -> EndedSession:
        while True:
            if self._ended:
                return self._ended.popleft()
            if self._failure is not None:
                raise self._failure
            if self._is_closed:
                raise StopAsyncIteration
            self._wake_iteration.clear()
            await self._wake_iteration.wait()

    # --- what the listening connections tell ---

    def _event(self, name: str, key: str) -> None:
        self._watched.event(name, key)
        self._deliver()
        self._wake_questions.set()

    def _caught_up(self) -> None:
        """From now on we hear what happens, if the servers publish it. What happened before has to be asked for."""
        self._is_listening = True
        self._doubt_all()
        self._is_ready.set()

    def _deaf(self, error: BaseException) -> None:
        # A server that cannot be reached is known to the application. One that refuses may go unnoticed.
        if is_refusal(error):
            self._warn_once("listen", f"the server lets nobody listen ({error})")
        if self._is_listening:
            self._doubt_all()
        self._is_listening = False
        self._is_ready.set()

    # --- the jobs ---

    async def _guard(self, job: Any) -> None:
        """Runs a job for as long as the iteration lasts; its failure ends the iteration."""
        try:
            await job
        except Exception as error:  # it is raised where the application iterates
            self._failure = self._failure or error
            self.close()

    async def _ask(self) -> None:
        """Asks the server for sessions that may have ended."""
        while True:
            self._wake_questions.clear()
            keys = self._watched.questions(_QUESTIONS_AT_ONCE)
            if not keys:
                await self._sleep_until(self._watched.next_due())
                continue
            answers = await asyncio.gather(*map(self._info, keys), return_exceptions=True)
            failures = [self._take(key, answer) for key, answer in zip(keys, answers, strict=True)]
            self._deliver()
            if any(failures):
                await asyncio.sleep(min(self._interval, 1))

    async def _info(self, key: str) -> dict[str, Any] | None:
        reply = await self._server.call(Command(("SESSION.INFO", _encoded(key)), key=_encoded(key)))
        return None if reply is None else named(reply)

    def _take(self, key: str, answer: dict[str, Any] | BaseException | None) -> bool:
        """Takes what was answered for a key. True: it is no answer."""
        if isinstance(answer, ModuleMissing):
            raise answer
        if isinstance(answer, WrongType):
            answer = None  # something else has taken the key, so the session is gone
        if not isinstance(answer, BaseException):
            self._watched.answer(key, answer)
            return False
        if not isinstance(answer, FAILURES):
            raise answer
        if is_refusal(answer):
            self._warn_once("ask", f"sessions cannot be asked for (SESSION.INFO: {answer})")
        self._watched.no_answer(key)
        return True

    async def _look_around(self) -> None:
        """Asks for all sessions from time to time: rarely with events, at every interval without."""
        round_ = 0
        while True:
            is_due = round_ % _ROUNDS_WITH_EVENTS == 0
            if is_due or not self._is_published:
                self._is_published = self._assume_published or await self._publishes()
            if is_due or not self._is_published or not self._is_listening:
                self._doubt_all()
            await asyncio.sleep(self._interval)
            round_ += 1

    async def _publishes(self) -> bool:
        """Whether all primaries publish what is needed."""
        try:
            question = Command(("CONFIG", "GET", "notify-keyspace-events"), everywhere=True)
            replies = [named(reply) for reply in await self._server.call(question)]
        except FAILURES as error:
            if is_refusal(error):
                self._warn_once("unknown", f"whether the server publishes events cannot be seen (CONFIG GET: {error})")
            return False
        for flags in (text(reply.get("notify-keyspace-events", "")) for reply in replies):
            if "E" not in flags or ("A" not in flags and not set(_NEEDED) <= set(flags)):
                self._warn_once("off", f"set notify-keyspace-events to {_NEEDED} or more: it is {flags or 'empty'}")
                return False
        return True

    # --- helpers ---

    def _key_of(self, session_id: str) -> str:
        return session_id if self._key is None else self._key(session_id)

    def _doubt_all(self) -> None:
        self._watched.doubt_all()
        self._wake_questions.set()

    def _deliver(self) -> None:
        if self._watched.has_moved:
            self._watched.has_moved = False
            self._listening.hurry()
        if self._watched.ended:
            self._ended.extend(self._watched.ended)
            self._watched.ended.clear()
            self._wake_iteration.set()

    async def _sleep_until(self, due: float) -> None:
        delay = min(max(due - time.time(), 0), _LONGEST_SLEEP)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake_questions.wait(), delay)

    def _warn_once(self, about: str, sentence: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            logger.warning("%s; sessions that end are found by asking every %g s", sentence, self._interval)


def _encoded(key: str) -> bytes:
    return key.encode(errors="surrogateescape")
