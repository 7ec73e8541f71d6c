"""System checks: what is wrong is said when the site starts, not when the first visitor comes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import ConnectionError, RedisError, TimeoutError  # noqa: A004

from .. import errors
from .configuration import ENGINE, Configuration, read
from .connections import connections

_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
_OUR_MIDDLEWARE = "redis_session_client.django.middleware.SessionMiddleware"


def check_settings(**_: Any) -> list[CheckMessage]:
    """E001: SESSION_REDIS is wrong. W001, W002, W003: what does not go together."""
    try:
        configuration = read()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="redis_session.E001")]
    return [*_engine(), *_reject(configuration), *_every_request(configuration)]


def _engine() -> list[CheckMessage]:
    if settings.SESSION_ENGINE in (ENGINE, f"{ENGINE}.rollback"):
        return []
    said = f"The sessions are not kept by this app: SESSION_ENGINE is {settings.SESSION_ENGINE!r}."
    return [Warning(said, hint=f'Set SESSION_ENGINE = "{ENGINE}".', id="redis_session.W001")]


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
    except errors.ModuleMissing as error:
        return [Error(f"Sessions cannot be kept: {error}", id="redis_session.E002")]
    except (ConnectionError, TimeoutError) as error:
        # No error: images are built and files collected where there is no server.
        said = f"The server of SESSION_REDIS does not answer: {error}"
        return [Warning(said, hint="Nobody can log in until it does.", id="redis_session.W004")]
    except (RedisError, errors.SessionError) as error:
        return [Error(f"The server of SESSION_REDIS refuses to keep sessions: {error}", id="redis_session.E003")]
    except (ImproperlyConfigured, ImportError, LookupError, TypeError, ValueError) as error:
        return [Error(f"SESSION_REDIS: no client can be made of it: {error!r}", id="redis_session.E001")]
    return []


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
