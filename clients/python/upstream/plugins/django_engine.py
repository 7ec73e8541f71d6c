"""Django's SessionTestsMixin on this package's engine: as Django runs it, and its async half on a real event loop."""

from __future__ import annotations

import asyncio
import functools
import inspect
import unittest
from collections.abc import Awaitable, Callable
from typing import Any

from django.test import SimpleTestCase
from sessions_tests.tests import SessionTestsMixin

from redis_session_client.django import SessionStore


class EngineTests(SessionTestsMixin, SimpleTestCase):  # type: ignore[misc]
    """As Django runs it: each async test as a whole below async_to_sync."""

    backend = SessionStore


class NativeLoopTests(unittest.TestCase):
    """The async tests alone, each on an event loop of its own, as below an ASGI server."""

    backend = SessionStore


def _on_a_loop(test: Callable[[Any], Awaitable[None]]) -> Callable[[Any], None]:
    @functools.wraps(test)
    def on_a_loop(self: Any) -> None:
        async def whole() -> None:
            self.session = self.backend()
            try:
                await test(self)
            finally:
                await self.session.adelete()

        asyncio.run(whole())

    return on_a_loop


for _name, _test in inspect.getmembers(SessionTestsMixin, inspect.iscoroutinefunction):
    if _name.startswith("test_"):
        setattr(NativeLoopTests, _name, _on_a_loop(_test))
