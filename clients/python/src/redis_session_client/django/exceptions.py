"""What can go wrong with a session, in a form that Django has an answer for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import PermissionDenied
from redis import exceptions

from .. import errors

# Answers for which redis-py has no class: a disk that is full, replicas that are away, a script that runs too long.
_NOT_NOW = ("MISCONF", "NOREPLICAS", "BUSY ")


class NotNow(exceptions.ResponseError):
    """The server takes no commands, or none that write, and says why: MISCONF, NOREPLICAS or BUSY."""


#: The server gave no answer, or one that says: not now.
UNAVAILABLE = (
    NotNow,
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterError,  # no node answers for a slot, or they send from one to another
    exceptions.RedisClusterException,  # no node of the cluster answers
)


@contextmanager
def of_sessions() -> Iterator[None]:
    """Marks errors as those of the sessions' server: a view may ask other servers, for something else."""
    try:
        yield
    except UNAVAILABLE as error:
        error.of_sessions = True  # type: ignore[union-attr]
        raise
    except exceptions.ResponseError as error:
        if not str(error).startswith(_NOT_NOW):
            raise
        not_now = NotNow(*error.args)
        not_now.of_sessions = True  # type: ignore[attr-defined]
        raise not_now from error


def is_of_sessions(error: Exception) -> bool:
    """Tells whether the server of the sessions cannot be used."""
    return isinstance(error, UNAVAILABLE) and getattr(error, "of_sessions", False)


class SessionLimit(errors.SessionLimit, PermissionDenied):
    """The user has as many sessions as they may have. Uncaught it is a 403; `login()` raises it.

    The visitor's session is what it was before the login.
    """


class SessionConflict(errors.SessionConflict, SessionInterrupted):
    """Another request has written the session since this one read it (``"conflict": "strict"``). Uncaught: a 400."""


class SessionRotated(UpdateError):
    """The session got a new id by another request while this one ran. The browser's cookie is to be left alone."""
