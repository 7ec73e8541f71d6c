"""Session stores for SwampDragon, on a server with the redis-session module.

This one file is all that is needed: it imports nothing of this package, runs on Python 3.6 and later with redis-py 2.10
and later, and may be copied into a project whose Python is too old for the package.

`SessionStore` is for SwampDragon 0.4 and later, `KeySessionStore` for 0.3. Each value is a session of the server at a
key of its own, so that it ends by itself and a heartbeat keeps all values of a connection alive with one command.
"""

import json
import uuid
from typing import Any, List, Optional

import redis

FIELD = "value"  # the only field of a session here
MINUTES = 30  # SwampDragon's own default
LONGEST = 10 * 365 * 24 * 60 * 60 * 1000  # ms; the longest timeout that the server takes


class ModuleMissing(redis.ResponseError):
    """The server has not loaded the redis-session module."""


class SessionStore:
    """Values of one connection, for SwampDragon 0.4 and later.

    settings.py: SWAMP_DRAGON_SESSION_STORE = "redis_session_client.swampdragon.SessionStore"
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.client = redis_client()
        self.keys: List[str] = []

    def get_complete_key(self, key: str) -> str:
        """The server's key of a value. Override it to keep values for longer than a connection."""
        return "s:{}|k:{}".format(self.connection.session.session_id, key)

    def set(self, key: str, val: Any) -> None:
        """Keeps a string, bytes, a number, or a dict as JSON."""
        write(self.client, self.get_complete_key(key), val)
        if key not in self.keys:
            self.keys.append(key)

    def get(self, key: str) -> Optional[str]:
        """The value as a string, or None: there is none (any more). It keeps the value alive."""
        val = read(self.client, self.get_complete_key(key))
        if val is not None and key not in self.keys:
            self.keys.append(key)
        # SwampDragon's own store tells nothing from an empty value.
        return val.decode() if val else None

    def refresh_key_timeout(self, key: str) -> None:
        """Keeps one value alive. It does not bring back what has ended."""
        refresh(self.client, self.get_complete_key(key))

    def refresh_all_keys(self) -> None:
        """Keeps alive all values that this connection has set or read: what SwampDragon does at each heartbeat."""
        if self.keys:
            call(self.client, "SESSION.TOUCH", *[self.get_complete_key(key) for key in self.keys])


class KeySessionStore:
    """Values by keys that the application knows, for SwampDragon 0.3.

    settings.py: DRAGON_SESSION_STORE = "redis_session_client.swampdragon.KeySessionStore"
    """

    def __init__(self) -> None:
        self.client = redis_client()

    def save(self, key: str, val: Any) -> None:
        """Keeps a string, bytes or a number."""
        write(self.client, key, val)

    def save_get_key(self, val: Any) -> str:
        """Keeps a value under a new random key, and returns the key."""
        key = self.generate_key()
        self.save(key, val)
        return key

    def generate_key(self) -> str:
        """A random key of 32 characters."""
        return uuid.uuid4().hex

    def get(self, key: str) -> Optional[bytes]:
        """The value as bytes, or None: there is none (any more). It keeps the value alive."""
        return read(self.client, key)

    def refresh_key_timeout(self, key: str) -> None:
        """Keeps a value alive. It does not bring back what has ended."""
        refresh(self.client, key)


def redis_client() -> Any:
    """SwampDragon's own client, by its settings SWAMP_DRAGON_REDIS_*; before 0.4 it knew localhost alone."""
    try:
        from swampdragon.pubsub_providers.redis_publisher import (  # type: ignore[import-not-found]  # noqa: PLC0415
            get_redis_cli,
        )
    except ImportError:
        return redis.StrictRedis()
    return get_redis_cli()


def milliseconds() -> int:
    """How long a value lives without use: the setting SESSION_EXPIRATION_TIME, in minutes."""
    from django.conf import settings  # noqa: PLC0415

    minutes = getattr(settings, "SESSION_EXPIRATION_TIME", MINUTES)
    return int(min(minutes * 60 * 1000, LONGEST))


def write(client: Any, key: str, val: Any) -> None:
    """Keeps a value under a key, whatever was there before. One command."""
    if isinstance(val, dict):
        val = json.dumps(val)
    timeout = milliseconds()
    if timeout < 1:  # EXPIRE, which SwampDragon sends, ends the value at once
        call(client, "SESSION.DEL", key)
    else:
        call(client, "SESSION.SET", key, "PX", timeout, "FIELDS", 1, FIELD, val)


def read(client: Any, key: str) -> Optional[bytes]:
    """The value under a key, or None. It keeps the value alive. One command."""
    timeout = max(milliseconds(), 1)
    reply = call(client, "SESSION.GETEX", key, "PX", timeout, "FIELDS", 1, FIELD)
    if not reply or reply[0] is None:
        return None
    val = reply[0]  # a str where the client decodes replies
    return val if isinstance(val, bytes) else val.encode()


def refresh(client: Any, key: str) -> None:
    """Keeps the value under a key alive. One command."""
    call(client, "SESSION.ADJUST", key, "PX", max(milliseconds(), 1))


def call(client: Any, *args: Any) -> Any:
    """Sends a command, and says what to do where the server does not know it."""
    try:
        return client.execute_command(*args)
    except redis.ResponseError as error:
        # The server says: ERR unknown command 'SESSION.SET', with args beginning with ... (redis-py takes off the ERR).
        if "unknown command" in str(error).lower():
            raise ModuleMissing(
                "the server has not loaded the redis-session module: start it with --loadmodule libredis_session.so "
                "(or `loadmodule` in redis.conf). It said: {}".format(error)
            ) from error
        raise
