"""Replies, whichever protocol and decoding the client was set to."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any


def text(reply: Any) -> str:
    """A string, of a client with or without `decode_responses`."""
    return reply.decode() if isinstance(reply, bytes) else str(reply)


def mapping(reply: Any) -> dict[Any, Any]:
    """A map: a dict in RESP3, a flat list in RESP2."""
    if isinstance(reply, dict):
        return reply
    names = iter(reply)
    return dict(zip(names, names, strict=True))


def named(reply: Any) -> dict[str, Any]:
    """A map whose names are the server's own words."""
    return {text(name): value for name, value in mapping(reply).items()}


def at(milliseconds: int) -> datetime:
    """A point in time, aware, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
