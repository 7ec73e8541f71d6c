"""When a session ends: what Django's `set_expiry()` and our `set_lifetime()` mean to the server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from .._arguments import KEEP, Timeout, Until

#: Where the session itself keeps them. The first is Django's own.
EXPIRY = "_session_expiry"
LIFETIME = "_session_lifetime"


class Terms(NamedTuple):
    """What a session says of its end: a number of seconds without use or a fixed time, and an absolute limit."""

    expiry: float | datetime | None = None
    lifetime: float | None = None

    @classmethod
    def of(cls, data: Mapping[Any, Any]) -> Terms:
        """Reads them from a session. An expiry of 0 is None: the browser decides."""
        expiry, lifetime = data.get(EXPIRY), data.get(LIFETIME)
        if expiry is None and lifetime is None:
            return _NONE
        return cls(_expiry(expiry) or None, lifetime if isinstance(lifetime, (int, float)) else None)

    @property
    def end(self) -> datetime | None:
        """The fixed time, if there is one."""
        return self.expiry if isinstance(self.expiry, datetime) else None

    def idle(self, default: float) -> float | None:
        """The idle timeout in seconds; None where a fixed time stands instead of one."""
        if isinstance(self.expiry, datetime):
            return None
        return default if self.expiry is None else self.expiry


_NONE = Terms()


def _expiry(said: Any) -> float | datetime | None:
    """What is neither a number nor a time is nothing: the middleware says so when it makes the cookie."""
    if isinstance(said, str):
        try:
            said = datetime.fromisoformat(said)
        except ValueError:
            return None
    if isinstance(said, datetime) and timezone.is_naive(said):
        said = timezone.make_aware(said)
    return said if isinstance(said, (int, float, datetime)) else None


class Times(NamedTuple):
    """What the server is told, in the words of the core."""

    idle: Timeout = KEEP
    lifetime: Timeout = KEEP
    expires_at: Until = KEEP


class Policy(NamedTuple):
    """What holds where a session says nothing: idle timeout, and absolute limit (None: the server's)."""

    idle: float
    lifetime: float | None

    def of_new(self, terms: Terms) -> Times:
        """For a session that begins."""
        lifetime = self.lifetime if terms.lifetime is None else terms.lifetime
        if terms.end is None:
            return Times(terms.idle(self.idle), KEEP if lifetime is None else lifetime)
        return Times(None, expires_at=_earlier(terms.end, timezone.now(), lifetime))

    def of_known(self, terms: Terms, before: Terms, created: datetime | None) -> Times:
        """For a session that the server has. `before` is what it said when it was read, `created` when it began."""
        idle = terms.idle(self.idle)
        if terms == before:
            return Times(idle)
        lifetime = self.lifetime if terms.lifetime is None else terms.lifetime
        if terms.end is not None:
            since = timezone.now() if created is None else created
            return Times(idle, expires_at=_earlier(terms.end, since, lifetime))
        # Where only the idle timeout changed, the end stays as the server has it.
        unchanged = terms.lifetime == before.lifetime and before.end is None
        return Times(idle, KEEP if unchanged else lifetime)

    def limits(self, terms: Terms, before: Terms) -> bool:
        """Whether it matters when the session began: a fixed time is set, and there is an absolute limit, too."""
        return terms != before and terms.end is not None and (self.lifetime, terms.lifetime) != (None, None)


def _earlier(end: datetime, since: datetime, lifetime: float | None) -> datetime:
    if lifetime is None:
        return end
    # With USE_TZ off, Django's own times are naive.
    since = since if timezone.is_aware(since) else timezone.make_aware(since)
    return min(end, since + timedelta(seconds=lifetime))
