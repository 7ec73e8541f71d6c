"""Settings, which may be text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyramid.exceptions import ConfigurationError  # type: ignore[import-untyped]
from pyramid.settings import asbool  # type: ignore[import-untyped]

PREFIX = "redis.sessions."
#: The one setting that is the configurator's and not the session factory's.
CHECK = PREFIX + "check_at_start"
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
NAMES = frozenset(
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


def parse_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a session factory. Raises ConfigurationError for what is no setting, or cannot be."""
    options = {name.removeprefix(PREFIX): value for name, value in settings.items() if name.startswith(PREFIX)}
    options.pop("check_at_start", None)
    unknown = sorted(set(options) - NAMES)
    if unknown:
        raise ConfigurationError(f"{PREFIX}{unknown[0]} is no setting; there are {', '.join(sorted(NAMES))}")
    if not options.get("secret"):
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
