"""The sessions of a user: list them, count them, sign them out.

A user is a user object, its primary key, or what the session says in `user_field`. A session is told by itself, by a
request with it, or by its `session_key`.
"""

from __future__ import annotations

from typing import Any

from ..store import Device
from .connections import connections
from .engine import stored_key

__all__ = [
    "Device",
    "acount",
    "adevices",
    "asign_out",
    "asign_out_device",
    "count",
    "devices",
    "sign_out",
    "sign_out_device",
]


def devices(user: Any, current: Any = None) -> list[Device]:
    """The user's sessions, latest access first. `current` is the session that asks."""
    asked = connections()
    return asked.run(asked.operations.devices(name_of(user), stored_key(current)))


async def adevices(user: Any, current: Any = None) -> list[Device]:
    """See devices()."""
    asked = connections()
    return await asked.arun(asked.operations.devices(name_of(user), stored_key(current)))


def sign_out(user: Any, keep: Any = None) -> int:
    """Ends the user's sessions, all but `keep`. Tells how many ended."""
    asked = connections()
    return asked.run(asked.operations.sign_out(name_of(user), stored_key(keep)))


async def asign_out(user: Any, keep: Any = None) -> int:
    """See sign_out()."""
    asked = connections()
    return await asked.arun(asked.operations.sign_out(name_of(user), stored_key(keep)))


def sign_out_device(user: Any, handle: str) -> bool:
    """Ends one session of the user by its handle. Tells whether there was one; nobody else's ends."""
    asked = connections()
    return asked.run(asked.operations.sign_out_device(name_of(user), handle))


async def asign_out_device(user: Any, handle: str) -> bool:
    """See sign_out_device()."""
    asked = connections()
    return await asked.arun(asked.operations.sign_out_device(name_of(user), handle))


def count(user: Any) -> int:
    """How many sessions the user has."""
    asked = connections()
    return asked.run(asked.operations.count(name_of(user)))


async def acount(user: Any) -> int:
    """See count()."""
    asked = connections()
    return await asked.arun(asked.operations.count(name_of(user)))


def name_of(user: Any) -> str:
    """What the server calls a user: what the session says of it. Raises ValueError where it is nobody."""
    if hasattr(user, "_meta"):
        user = user._meta.pk.value_to_string(user) if user.pk is not None else None
    elif hasattr(user, "is_anonymous"):
        user = None
    if user is None or user == "":
        raise ValueError("nobody is logged in: only a user has sessions to list or to sign out")
    return str(user)
