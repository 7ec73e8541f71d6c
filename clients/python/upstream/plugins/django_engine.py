"""Django's SessionTestsMixin on this package's engine: as Django runs it, and its async half on a real event loop."""

from __future__ import annotations

import inspect
import unittest
from typing import Any

from django.test import SimpleTestCase
from sessions_tests.tests import SessionTestsMixin

from redis_session_client.django import SessionStore


class EngineTests(SessionTestsMixin, SimpleTestCase):  # type: ignore[misc]
    """As Django runs it: async tests below async_to_sync, a loop for each call."""

    backend = SessionStore


class NativeLoopTests(SessionTestsMixin, unittest.IsolatedAsyncioTestCase):  # type: ignore[misc]
    """The async tests alone, each on one event loop from its beginning to its end."""

    backend = SessionStore

    def setUp(self) -> None:
        # Not the mixin's: its clean-up is a synchronous call, which Django refuses where a loop is running.
        self.session = self.backend()
        self.addAsyncCleanup(self.session.adelete)


def _is_synchronous(name: str, test: Any) -> bool:
    return name.startswith("test_") and not inspect.iscoroutinefunction(test)


for _name, _test in inspect.getmembers(SessionTestsMixin, inspect.isfunction):
    if _is_synchronous(_name, _test):
        setattr(NativeLoopTests, _name, None)
