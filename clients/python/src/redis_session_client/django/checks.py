"""System checks: what is wrong is said when the site starts, not when the first visitor comes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from redis import exceptions
from redis.sentinel import MasterNotFoundError

from .. import errors
from .configuration import ENGINE, Configuration, read
from .connections import connections
from .engine import SessionStore

_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
_OUR_MIDDLEWARE = "redis_session_client.django.middleware.SessionMiddleware"


def check_settings(**_: Any) -> list[CheckMessage]:
    """E001: SESSION_REDIS is wrong. W001, W002, W003: what does not go together."""
    try:
        configuration = read()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="redis_session.E001")]
    return [*_former_engine(configuration), *_engine(), *_reject(configuration), *_every_request(configuration)]


def _former_engine(configuration: Configuration) -> list[CheckMessage]:
    engine = configuration.migrate_from
    if engine is None:
        if f"{ENGINE}.rollback" != settings.SESSION_ENGINE:
            return []
        said = 'SESSION_REDIS["migrate_from"] names the engine to go back to, and is not set.'
        return [Error(said, id="redis_session.E001")]
    try:
        import_module(engine).SessionStore  # noqa: B018
    except (ImportError, AttributeError) as error:
        # Otherwise only those would find it out who were logged in before.
        said = f'SESSION_REDIS["migrate_from"] is no session engine: {error}'
        return [Error(said, id="redis_session.E001")]
    return []


def _engine() -> list[CheckMessage]:
    if settings.SESSION_ENGINE in (ENGINE, f"{ENGINE}.rollback") or _is_derived(settings.SESSION_ENGINE):
        return []
    said = f"The sessions are not kept by this app: SESSION_ENGINE is {settings.SESSION_ENGINE!r}."
    return [Warning(said, hint=f'Set SESSION_ENGINE = "{ENGINE}".', id="redis_session.W001")]


def _is_derived(engine: str) -> bool:
    """Whether an engine is the site's own, made of this one."""
    try:
        return issubclass(import_module(engine).SessionStore, SessionStore)
    except Exception:  # what there is to say of an engine that is none, Django says
        return False


def _reject(configuration: Configuration) -> list[CheckMessage]:
    options = configuration.options
    if options.on_limit != "reject" or options.max_sessions is not None:
        return []
    said = 'SESSION_REDIS has "on_limit": "reject" and no "max_sessions": there is no limit.'
    return [Warning(said, id="redis_session.W002")]


def _every_request(configuration: Configuration) -> list[CheckMessage]:
    if not settings.SESSION_SAVE_EVERY_REQUEST or not configuration.options.rotation_grace:
        return []
    if _MIDDLEWARE not in settings.MIDDLEWARE:
        return []
    said = (
        "With SESSION_SAVE_EVERY_REQUEST, a request that runs while its browser logs in is answered 400 by Django's "
        "SessionMiddleware."
    )
    return [Warning(said, hint=f'Put "{_OUR_MIDDLEWARE}" in its place.', id="redis_session.W003")]


def check_server(**_: Any) -> list[CheckMessage]:
    """E002: the server has no module. E003: it says no. W004: it does not answer."""
    try:
        read()
    except ImproperlyConfigured:
        return []  # E001 says so
    try:
        asked = connections()
        asked.run(asked.operations.check())
    except ImproperlyConfigured as error:
        return [Error(str(error), id="redis_session.E001")]
    except (ImportError, LookupError, TypeError, ValueError) as error:
        said = f"SESSION_REDIS: no client can be made of it: {type(error).__name__}: {error}"
        return [Error(said, id="redis_session.E001")]
    except errors.ModuleMissing as error:
        return [Error(f"Sessions cannot be kept: {error}", id="redis_session.E002")]
    except (exceptions.RedisError, exceptions.RedisClusterException, errors.SessionError) as error:
        return [_silent(error) if _unanswered(error) else _refused(error)]
    return []


def _unanswered(error: BaseException | None) -> bool:
    if isinstance(error, exceptions.RedisClusterException):  # what is wrong with a node of it
        return isinstance(error.__cause__, OSError) or _unanswered(error.__cause__)
    # redis-py takes a password that is wrong for a ConnectionError.
    unanswered = isinstance(error, (exceptions.ConnectionError, exceptions.TimeoutError))
    return unanswered and not isinstance(error, exceptions.AuthenticationError)


def _silent(error: Exception) -> CheckMessage:
    # No error: images are built and files collected where there is no server.
    answer = str(error)
    if isinstance(error, MasterNotFoundError):  # it shows the insides of each client
        answer = answer.partition(" : ")[0]
    said = f"The server of SESSION_REDIS does not answer: {answer}"
    return Warning(said, hint="Nobody can log in until it does.", id="redis_session.W004")


def _refused(error: Exception) -> CheckMessage:
    hint = None
    if isinstance(error, (exceptions.AuthenticationError, exceptions.NoPermissionError)):
        prefix = read().options.prefix
        hint = f'Its user needs the commands SESSION.* and the keys "{prefix}*": "Users" in docs/operations.md has one.'
    said = f"The server of SESSION_REDIS refuses to keep sessions: {error}"
    return Error(said, hint=hint, id="redis_session.E003")


def check_deployment(**_: Any) -> list[CheckMessage]:
    """W005: ids stand in the server as they are (`check --deploy`)."""
    try:
        hashed = read().options.hash_keys
    except ImproperlyConfigured:
        return []
    if hashed:
        return []
    said = 'SESSION_REDIS has "hash_keys": False: whoever sees the server\'s keys can use the sessions.'
    return [Warning(said, id="redis_session.W005")]
