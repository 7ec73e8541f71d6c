"""A pytest plugin: the package that pyramid_redis_sessions' tests import is this package; the tests are theirs.

Their tests keep sessions in a dict, DummyRedis, and look into it. Here DummyRedis is a client of a real server, and a
look into it is a look at the server, after what a response would have written is written.
"""

from __future__ import annotations

import importlib
import os
import pickle
import secrets
import sys
import types
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from redis_session_client import pyramid as ours
from redis_session_client._pyramid.cookie import Signer
from redis_session_client._pyramid.habits import Cookie, Habits, stored_id
from redis_session_client._pyramid.settings import parse_settings
from redis_session_client.keys import new_id
from redis_session_client.store import Options, Store

# pytest finds each test module beside an __init__.py that is not the one of the package which stands in for it.
os.environ["PY_IGNORE_IMPORTMISMATCH"] = "1"


class ServerRedis(redis.Redis):
    """Takes the place of DummyRedis: sessions under a prefix of its own, the values as theirs are."""

    def __init__(self, **options: Any) -> None:
        self.options_given = options
        source = redis.ConnectionPool.from_url(os.environ["SESSION_URL"], decode_responses=True)
        super().__init__(connection_pool=source)
        self.prefix = f"{secrets.token_hex(4)}:"
        self.sessions: weakref.WeakSet[Any] = weakref.WeakSet()
        self.names: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["options_given"][name]

    @classmethod
    def from_url(cls, url: str, **options: Any) -> ServerRedis:  # type: ignore[override]
        return cls(url=url, opts=options)

    def keep(self) -> Store:
        return Store(self, Options(prefix=self.prefix, hash_keys=False, idle=None))

    def set(self, session_id: str, value: bytes) -> None:  # type: ignore[override]
        held = pickle.loads(value)
        self.names[stored_id(session_id)] = session_id
        self.keep().create(stored_id(session_id), held["managed_dict"], idle=held["timeout"])

    @property
    def store(self) -> dict[str, Any]:
        """The ids of the sessions that there are; what a login leaves for a moment at the old id is none."""
        for session in self.sessions:
            session.save()
        ids = [key.removeprefix(self.prefix) for key in self.keys(f"{self.prefix}*")]
        return {self.names.get(known, known): ... for known in ids if self.keep().exists(known)}

    @store.setter
    def store(self, empty: dict[str, Any]) -> None:
        assert empty == {}
        self.flushall()


class HashableSession(ours.RedisSession):
    """A session that a WeakSet takes: a dict has no hash."""

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


def redis_session(  # noqa: PLR0917
    redis: ServerRedis,
    session_id: str,
    new: bool,  # noqa: FBT001
    new_session: Callable[[], str],
    serialize: Callable[[Any], bytes],
    deserialize: Callable[[bytes], Any],
) -> ours.RedisSession:
    """RedisSession, as their factory calls it. Ours makes its ids by itself and needs no function for that."""
    cookie = Cookie(Signer("secret"), "session", None, "/", None, False, True, None, True)
    habits = Habits(cookie, lambda session: None, lambda request: None, rotate_on_login=True, id_generator=None)
    store = redis.keep()
    session = HashableSession(store, habits, store.load(stored_id(session_id)), session_id)
    session._new = new
    redis.sessions.add(session)
    return session


def get_unique_session_id(
    redis: Any, timeout: float, serialize: Callable[[Any], bytes], generator: Callable[[], str] = new_id
) -> str:
    """A session that the server holds, as the factory with its own options finds it."""
    session_id = generator()
    Store(redis, Options()).create(session_id, {}, idle=timeout)
    return session_id


def pytest_configure(config: Any) -> None:
    """Puts the package together."""
    folder = Path.cwd() / "pyramid_redis_sessions"
    package = types.ModuleType("pyramid_redis_sessions")
    package.__path__ = [str(folder)]
    package.includeme = ours.includeme  # type: ignore[attr-defined]
    package.RedisSessionFactory = ours.RedisSessionFactory  # type: ignore[attr-defined]
    package.session_factory_from_settings = ours.session_factory_from_settings  # type: ignore[attr-defined]
    sys.modules["pyramid_redis_sessions"] = package
    _module("session", RedisSession=redis_session)
    _module("connection", get_default_connection=ours.get_default_connection)
    _module("compat", cPickle=pickle)
    _module("util", _parse_settings=parse_settings, get_unique_session_id=get_unique_session_id)
    tests: Any = importlib.import_module("pyramid_redis_sessions.tests")
    tests.DummyRedis = ServerRedis


def _module(name: str, **content: Any) -> None:
    module = types.ModuleType(f"pyramid_redis_sessions.{name}")
    module.__dict__.update(content)
    sys.modules[module.__name__] = module
