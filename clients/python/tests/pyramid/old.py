"""pyramid_redis_sessions, also on Pyramid 2, which has taken away some functions that it imports."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

import pyramid.session
import pytest

from redis_session_client._pyramid.cookie import Signer


def _supply() -> None:
    compat = types.ModuleType("pyramid.compat")
    compat.text_ = lambda text: text.decode("latin-1") if isinstance(text, bytes) else text  # type: ignore[attr-defined]
    sys.modules["pyramid.compat"] = compat
    pyramid.session.signed_serialize = lambda session_id, secret: Signer(secret).sign(session_id)
    pyramid.session.signed_deserialize = _read


def _read(value: str, secret: str) -> str:
    session_id = Signer(secret).read(value)
    if session_id is None:
        raise ValueError("Invalid signature")
    return session_id


if importlib.util.find_spec("pyramid.compat") is None:
    _supply()
pyramid_redis_sessions: Any = pytest.importorskip("pyramid_redis_sessions")
