"""Sessions of Python web frameworks on the redis-session module of Redis and Valkey.

The adapters: `redis_session_client.django`, `.pyramid`, `.flask`, `.asgi`, `.swampdragon`. What they stand on is here,
for applications without one of these frameworks: `Store` keeps sessions by their ids, `Sessions` is the server's
commands.
"""

from ._arguments import KEEP
from .client import AsyncSessions, Sessions
from .errors import (
    BadJSON,
    ModuleMissing,
    SessionConflict,
    SessionError,
    SessionGone,
    SessionLimit,
    SessionTooLarge,
    WrongType,
)
from .fields import BytesCodec, Codec
from .keys import acceptable, handle, new_id
from .store import DEVICE, AsyncStore, Device, Loaded, Options, Store

__all__ = [
    "DEVICE",
    "KEEP",
    "AsyncSessions",
    "AsyncStore",
    "BadJSON",
    "BytesCodec",
    "Codec",
    "Device",
    "Loaded",
    "ModuleMissing",
    "Options",
    "SessionConflict",
    "SessionError",
    "SessionGone",
    "SessionLimit",
    "SessionTooLarge",
    "Sessions",
    "Store",
    "WrongType",
    "acceptable",
    "handle",
    "new_id",
]
__version__ = "0.1.0"
