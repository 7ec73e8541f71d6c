"""Pyramid: `config.include("redis_session_client.pyramid")`.

Takes the settings of pyramid_redis_sessions, `redis.sessions.*`, and some of its own.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import redis
from pyramid.exceptions import ConfigurationError  # type: ignore[import-untyped]
from pyramid.interfaces import ISessionFactory  # type: ignore[import-untyped]
from pyramid.settings import asbool  # type: ignore[import-untyped]
from zope.interface import implementer  # type: ignore[import-untyped]

from ._models import Device, Loaded, Options
from ._pyramid.client import get_default_connection, patience
from ._pyramid.cookie import Signer
from ._pyramid.habits import Cookie, Habits, stored_id
from ._pyramid.moving import OldStore
from ._pyramid.session import RedisSession
from .fields import BytesCodec, Codec
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

PREFIX = "redis.sessions."
#: What may be a dotted name in a settings file.
DOTTED = ("client_callable", "client", "serialize", "deserialize", "id_generator", "user", "device")
_FLAGS = (
    "cookie_secure",
    "cookie_httponly",
    "cookie_on_exception",
    "sliding",
    "hash_keys",
    "rotate_on_login",
    "cluster",
)
_WHOLE = ("port", "db", "cookie_max_age", "max_sessions")
_NUMBERS = ("timeout", "lifetime", "rotation_grace", "socket_timeout")
_NAMES = frozenset(
    (
        *DOTTED,
        *_FLAGS,
        *_WHOLE,
        *_NUMBERS,
        *("secret", "cookie_name", "cookie_path", "cookie_domain", "cookie_samesite"),
        *("url", "host", "password", "unix_socket_path", "connection_pool", "sentinels", "sentinel_service"),
        *("encoding", "encoding_errors", "charset", "errors"),
        *("prefix", "user_prefix", "user_field", "on_limit", "conflict", "migrate_from"),
    )
)
_AGENT = 300  # characters of a browser's description that are kept


def includeme(config: Any) -> None:
    """Sets the session factory of a site by its settings."""
    settings = config.registry.settings
    for option in DOTTED:
        name = PREFIX + option
        if name in settings:
            settings[name] = config.maybe_dotted(settings[name])
    config.set_session_factory(session_factory_from_settings(settings))


def session_factory_from_settings(settings: Mapping[str, Any]) -> RedisSessionFactory:
    """Makes a session factory of the settings that begin with `redis.sessions.`, which may be text."""
    return RedisSessionFactory(**_parse_settings(settings))


def _parse_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    options = {name.removeprefix(PREFIX): value for name, value in settings.items() if name.startswith(PREFIX)}
    unknown = sorted(set(options) - _NAMES)
    if unknown:
        raise ConfigurationError(f"{PREFIX}{unknown[0]} is no setting; there are {', '.join(sorted(_NAMES))}")
    if "secret" not in options:
        raise ConfigurationError("redis.sessions.secret is a required setting")
    for names, kind in ((_FLAGS, asbool), (_WHOLE, _whole), (_NUMBERS, _number)):
        for name in names:
            if name in options:
                options[name] = _converted(name, kind, options[name])
    return options


def _converted(name: str, kind: Callable[[Any], Any], value: Any) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{PREFIX}{name} is a number, not {value!r}") from error


def _number(value: Any) -> float | None:
    """Seconds; None for an empty text, which stands for no limit of ours."""
    if value is None or value == "":
        return None
    number = float(value)
    return int(number) if number.is_integer() else number


def _whole(value: Any) -> int | None:
    return None if value is None or value == "" else int(value)


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
            cookie, _user_of(user, user_field), device or describe_device, rotate_on_login, id_generator
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
        except ValueError as error:
            raise ConfigurationError(f"redis.sessions: {error}") from error
        self._codec = _codec(serialize, deserialize)
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
        self._migrate_from = _old_store_at(migrate_from)
        self._store: Store | None = None
        self._old: OldStore | None = None

    def __call__(self, request: Any) -> RedisSession:
        """The session of a request: that of its cookie, read with one command, or a new one."""
        store = self.store(request)
        session_id = self._habits.cookie.read(request)
        loaded = None if session_id is None else self._load(store, session_id)
        session = RedisSession(store, self._habits, loaded, session_id, request)
        request.add_response_callback(session.respond)
        return session

    def store(self, request: Any) -> Store:
        """Where the sessions are kept."""
        client = self._find_client(request)
        store = self._store
        if store is None or store.client is not client:
            store = self._store = Store(client, self._options, self._codec)
        return store

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


# --- my devices ---


def devices(request: Any, user: str | None = None) -> list[Device]:
    """A user's sessions, latest access first; of this request's user, unless another is named."""
    session = _session(request)
    user = user or session.user
    return [] if user is None else session.store.devices(user, session.stored_id)


def count(request: Any, user: str | None = None) -> int:
    """How many sessions a user has."""
    session = _session(request)
    user = user or session.user
    return 0 if user is None else session.store.count(user)


def sign_out(request: Any, user: str | None = None, *, keep_current: bool = False) -> int:
    """Ends all sessions of a user, or all but the one of this request. Tells how many ended."""
    session = _session(request)
    own = session.user
    user = user or own
    if user is None:
        return 0
    ended = session.store.sign_out(user, session.stored_id if keep_current else None)
    if user == own and not keep_current:
        session.invalidate()
    return ended


def sign_out_device(request: Any, handle: str, user: str | None = None) -> bool:
    """Ends the session of a user that has this handle. Nobody else's ends, whatever the handle is."""
    session = _session(request)
    user = user or session.user
    return user is not None and session.store.sign_out_device(user, handle)


def describe_device(request: Any) -> dict[str, Any]:
    """What is noted of a device at login: its address, and what its browser says of itself."""
    environ = request.environ
    return {"ip": environ.get("REMOTE_ADDR", ""), "agent": environ.get("HTTP_USER_AGENT", "")[:_AGENT]}


def _session(request: Any) -> RedisSession:
    session = request.session
    if not isinstance(session, RedisSession):
        raise TypeError('the sessions of this site are not of redis_session_client: config.include("…pyramid")')
    return session


# --- options ---


def _user_of(user: Callable[[Any], Any] | None, field: str) -> Callable[[Any], str | None]:
    def said(session: Any) -> str | None:
        found = session.get(field) if user is None else user(session)
        return None if found is None or found == "" else str(found)

    return said


def _old_store_at(migrate_from: Any) -> Any:
    """A client, a URL, True for the server of the new sessions, or None: there is no old store."""
    if not isinstance(migrate_from, str) or "://" in migrate_from:
        return migrate_from or None
    if migrate_from.lower() not in ("", "false", "true", "pyramid_redis_sessions"):
        raise ConfigurationError(
            f"redis.sessions.migrate_from is pyramid_redis_sessions, or the URL of its server, not {migrate_from!r}"
        )
    return migrate_from.lower() in ("true", "pyramid_redis_sessions") or None


def _codec(serialize: Callable[[Any], Any] | None, deserialize: Callable[[Any], Any] | None) -> Codec:
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
