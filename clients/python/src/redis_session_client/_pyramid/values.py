"""How values are written."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

from ..fields import BytesCodec, Codec


def codec(serialize: Callable[[Any], Any] | None, deserialize: Callable[[Any], Any] | None) -> Codec:
    """JSON, or what the site names. pyramid_redis_sessions takes pickle for the one that is not named; so do we."""
    if serialize is None and deserialize is None:
        return Codec(_json)
    dumps = serialize or pickle.dumps

    def to_bytes(value: Any) -> bytes:
        written: bytes | str = dumps(value)
        return written.encode() if isinstance(written, str) else written

    return BytesCodec(to_bytes, deserialize or pickle.loads)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, separators=(",", ":"))
    except TypeError as error:
        raise TypeError(
            f"{error}. A session holds JSON, unless redis.sessions.serialize and redis.sessions.deserialize say "
            "otherwise, pickle.dumps and pickle.loads for example"
        ) from error
