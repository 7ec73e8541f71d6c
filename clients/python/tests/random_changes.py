"""Random changes of a session, which change a dict alike: whatever a request does, the next one must find it so."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

KEYS = ["a", "b", " t", "\0", "_permanent", "clé", "\ud800"]
USERS = ["alice", "bob", None]
#: Values that JSON carries.
JSON_VALUES = [1, 1.0, True, None, "", "text", "\0", [], [[1]], {}, {"a": [1]}, {" t": 1}, "\ud800", 2**70]


def change(
    steps: random.Random, session: Any, values: list[Any], user_key: str, rotate: Callable[[], Any] | None = None
) -> None:
    """Makes some changes; the same `steps` make the same ones. `rotate` gives the session a new id."""
    for _ in range(steps.randrange(4)):
        kind, key = steps.randrange(6), steps.choice(KEYS)
        value, user = copy.deepcopy(steps.choice(values)), steps.choice(USERS)
        if kind == 0:
            session[key] = value
        elif kind == 1:
            session.pop(key, None)
        elif kind == 2:
            for inner in session.values():
                if isinstance(inner, list):
                    inner.append(value)
        elif kind == 3 and steps.random() < 0.2:
            session.clear()
        elif kind == 4 and user is None:
            session.pop(user_key, None)
        elif kind == 4:
            session[user_key] = user
        elif kind == 5 and rotate is not None:
            rotate()


def described(value: Any) -> Any:
    """With types, for 1, 1.0 and True are three values."""
    if isinstance(value, dict):
        return {key: described(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return (type(value), [described(inner) for inner in value])
    return (type(value), value)
