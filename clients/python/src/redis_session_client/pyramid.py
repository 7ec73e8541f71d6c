"""Pyramid: `config.include("redis_session_client.pyramid")`.

Takes the settings of pyramid_redis_sessions, `redis.sessions.*`, and some of its own.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import redis
from pyramid.events import ApplicationCreated  # type: ignore[import-untyped]
from pyramid.exceptions import ConfigurationError  # type: ignore[import-untyped]
from pyramid.interfaces import ISessionFactory  # type: ignore[import-untyped]
from pyramid.request import Request  # type: ignore[import-untyped]
from pyramid.settings import asbool  # type: ignore[import-untyped]
from zope.interface import implementer  # type: ignore[import-untyped]

from ._models import Loaded, Options
from ._pyramid.client import get_default_connection, patience
from ._pyramid.cookie import Signer
from ._pyramid.devices import count, describe_device, devices, sign_out, sign_out_device
from ._pyramid.habits import Cookie, Habits, stored_id, user_of
from ._pyramid.moving import OldStore, old_store_at
from ._pyramid.session import RedisSession
from ._pyramid.settings import CHECK, DOTTED, PREFIX, parse_settings
from ._pyramid.values import codec
from .store import Store

__all__ = [
    "RedisSession",
    "RedisSessionFactory",
    "RollbackSessionFactory",
    "count",
    "describe_device",
    "devices",
    "get_default_connection",
    "includeme",
    "session_factory_from_settings",
    "sign_out",
    "sign_out_device",
]


_FAILED = "redis_session_client.failed"  # in the environment of a request for which the server did not answer


def includeme(config: Any) -> None:
    """Sets the session factory of a site by its settings."""
    settings = config.registry.settings
    for option in DOTTED:
        name = PREFIX + option
        if name in settings:
            settings[name] = config.maybe_dotted(settings[name])
    factory = session_factory_from_settings(settings)
    config.set_session_factory(factory)
    if asbool(settings.get(CHECK)):
        config.add_subscriber(lambda event: factory.check(event.app.registry), ApplicationCreated)


def session_factory_from_settings(settings: Mapping[str, Any]) -> RedisSessionFactory:
    """Makes a session factory of the settings that begin with `redis.sessions.`, which may be text."""
    return RedisSessionFactory(**parse_settings(settings))


@implementer(ISessionFactory)
class RedisSessionFactory:
    """Makes `request.session`. All times are in seconds.

    Raises ConfigurationError for options that cannot be. What each means is in docs/pyramid.md.
    """

    def __init__(  # noqa: PLR0917 - the order of pyramid_redis_sessions
        self,
        secret: str | bytes,
        timeout: float | None = 1200,
        cookie_name: str = "session",
        cookie_max_age: int | None = None,
        cookie_path: str = "/",
        cookie_domain: str | None = None,
        cookie_secure: bool = False,  # noqa: FBT001, FBT002
        cookie_httponly: bool = True,  # noqa: FBT001, FBT002
        cookie_on_exception: bool = True,  # noqa: FBT001, FBT002
        url: str | None = None,
        host: str = "localhost",
        port: int = 6379,
        db: int = 0,
        password: str | None = None,
        socket_timeout: float | None = None,
        connection_pool: Any = None,
        encoding: str = "utf-8",
        encoding_errors: str = "strict",
        unix_socket_path: str | None = None,
        client_callable: Callable[..., Any] | None = None,
        serialize: Callable[[Any], Any] | None = None,
        deserialize: Callable[[Any], Any] | None = None,
        id_generator: Callable[[], Any] | None = None,
        *,
        charset: str | None = None,
        errors: str | None = None,
        client: Any = None,
        cluster: bool = False,
        sentinels: Any = None,
        sentinel_service: str = "mymaster",
        cookie_samesite: str | None = None,
        prefix: str = "sess:",
        user_prefix: str = "",
        lifetime: float | None = None,
        sliding: bool = True,
        rotation_grace: float = 10.0,
        max_sessions: int | None = None,
        on_limit: Any = "oldest",
        hash_keys: bool = True,
        conflict: Any = "merge",
        user: Callable[[Any], Any] | None = None,
        user_field: str = "auth.userid",
        device: Callable[[Any], Any] | None = None,
        rotate_on_login: bool = True,
        migrate_from: Any = None,
    ) -> None:
        cookie = Cookie(
            Signer(secret),
            cookie_name,
            cookie_max_age,
            cookie_path,
            cookie_domain,
            cookie_secure,
            cookie_httponly,
            cookie_samesite,
            cookie_on_exception,
        )
        self._habits = Habits(
            cookie, user_of(user, user_field), device or describe_device, rotate_on_login, id_generator
        )
        try:
            self._options = Options(
                prefix,
                user_prefix,
                timeout,
                lifetime,
                sliding,
                rotation_grace,
                max_sessions,
                on_limit,
                hash_keys,
                conflict,
            )
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"redis.sessions: {error}") from error
        self._codec = codec(serialize, deserialize)
        self._old_format = (serialize or pickle.dumps, deserialize or pickle.loads)
        self._client = client
        self._client_callable = client_callable
        self._where = {"url": url, "cluster": cluster, "sentinels": sentinels, "sentinel_service": sentinel_service}
        self._redis_options = {
            "host": host,
            "port": port,
            "db": db,
            "password": password,
            "connection_pool": connection_pool,
            "encoding": charset or encoding,
            "encoding_errors": errors or encoding_errors,
            "unix_socket_path": unix_socket_path,
        }
        self._socket_timeout = socket_timeout
        self._migrate_from = old_store_at(migrate_from)
        self._store: Store | None = None
        self._old: OldStore | None = None

    def __call__(self, request: Any) -> RedisSession:
        """The session of a request: that of its cookie, read with one command, or a new one."""
        if _FAILED in request.environ:
            # An exception view that asks for the session again is not to wait again.
            raise request.environ[_FAILED]
        store = self.store(request)
        session_id = self._habits.cookie.read(request)
        try:
            loaded = None if session_id is None else self._load(store, session_id)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            request.environ[_FAILED] = error
            raise
        session = RedisSession(store, self._habits, loaded, session_id, request)
        request.add_response_callback(session.respond)
        return session

    def store(self, request: Any) -> Store:
        """Where the sessions are kept."""
        client = self._find_client(request)
        store = self._store
        if store is None or store.client is not client:
            store = self._store = Store(client, self._options, self._codec, details=False)
        return store

    def check(self, registry: Any) -> None:
        """Asks the server whether it can hold sessions. Raises ModuleMissing, or what redis-py raises, where not."""
        request = Request.blank("/")
        request.registry = registry
        self.store(request).check()

    def cookie_id(self, request: Any) -> str | None:
        """The id that a request's cookie holds. None: there is none, or it is not signed with our secret."""
        return self._habits.cookie.read(request)

    def old_store(self, store: Store) -> OldStore:
        """Where pyramid_redis_sessions has kept sessions, by `migrate_from`."""
        if self._old is None:
            client = self._migrate_from
            if isinstance(client, str):
                client = redis.Redis.from_url(client, **patience(self._socket_timeout))
            elif client is None or client is True:
                client = store.client
            self._old = OldStore(client, *self._old_format)
        return self._old

    def _load(self, store: Store, session_id: str) -> Loaded | None:
        loaded = store.load(stored_id(session_id))
        if loaded is None and self._migrate_from:
            return self.old_store(store).take(store, session_id, self._habits.user)
        return loaded

    def _find_client(self, request: Any) -> Any:
        if self._client is not None:
            return self._client
        if self._client_callable is not None:
            return self._client_callable(request, socket_timeout=self._socket_timeout, **self._redis_options)
        client = getattr(request.registry, "_redis_sessions", None)
        if client is not None:
            return client
        return get_default_connection(request, **self._where, **patience(self._socket_timeout), **self._redis_options)


@implementer(ISessionFactory)
class RollbackSessionFactory:
    """For the way back to pyramid_redis_sessions: each session that `new` has kept is handed over at its next request.

    `old` is the factory of pyramid_redis_sessions, `new` the one of this module that the site has used. Both have the
    same secret and cookie name.
    """

    def __init__(self, old: Callable[[Any], Any], new: RedisSessionFactory) -> None:
        self._old = old
        self._new = new

    def __call__(self, request: Any) -> Any:
        """The session of a request, by the old factory."""
        session_id = self._new.cookie_id(request)
        if session_id is not None:
            store = self._new.store(request)
            self._new.old_store(store).give_back(store, session_id)
        return self._old(request)
