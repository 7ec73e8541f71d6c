"""The session engine: `SESSION_ENGINE = "redis_session_client.django"`.

A session is read with one command and written with one. What a request does to its session is told to the server when
the session is saved: a new id at login, the user, the data and the times travel in that one command.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.core.exceptions import ImproperlyConfigured

from .. import errors
from .._arguments import KEEP, Whose
from .._connect import TIMEOUT
from .._drive import Command, Steps
from .._models import Change
from .._replies import at, named
from ..keys import acceptable, handle, new_id
from ..store import Loaded
from . import migrate
from .configuration import ENGINE
from .connections import Connections, connections
from .exceptions import UNAVAILABLE, SessionConflict, SessionLimit, SessionRotated
from .step_up import StepUp
from .terms import LIFETIME, Policy, Terms, Times

_log = logging.getLogger("django.security.SuspiciousSession")


class SessionStore(StepUp):
    """A session on a server with the redis-session module."""

    #: Why the server could not be asked, and when.
    _failure: Exception | None = None
    _failed_at = 0.0
    #: The session as the server has it, as far as this request knows, and what it said then of its end.
    _loaded: Loaded | None = None
    _terms = Terms()
    #: The id that the server has, while `session_key` is the one that the session is to get.
    _rotated_from: str | None = None
    #: `session_key` is an id under which the server has nothing yet.
    _new = False
    #: `clear()` was called: what others have written goes, too.
    _cleared = False
    #: A snapshot was flushed: the browser has, or is about to get, a better cookie than this request brought.
    _gave_up = False
    _signing_out = False
    _modified = False

    # --- what the middleware asks ---

    @property
    def modified(self) -> bool:
        """Whether there is something to save. Never for a snapshot: its id must not become the cookie again."""
        return self._modified and not self.is_snapshot

    @modified.setter
    def modified(self, value: bool) -> None:
        self._modified = value

    @property
    def is_snapshot(self) -> bool:
        """Whether this is what a rotation left under the old id a moment ago: it is read, and writes are dropped.

        A login ends that: who has just shown who they are gets a session of their own.
        """
        if self._gave_up:
            return self.session_key is None and self._user() is None
        return self._loaded is not None and self._loaded.frozen and not self._logs_in(self._loaded)

    def is_empty(self) -> bool:
        """Whether there is nothing, so that the middleware deletes the cookie; not after a snapshot was given up."""
        return not self._gave_up and super().is_empty()

    @property
    def handle(self) -> str | None:
        """What stands for this session in "my devices"; None where the server has none."""
        key = self.stored_key
        return None if key is None else handle(connections().operations.keys.key(key))

    # --- reading ---

    def load(self) -> dict[str, Any]:
        """Reads the session, with one command."""
        self._fail_at_once()
        try:
            asked = connections()
            loaded = asked.run(asked.operations.load(self.stored_key))
        except UNAVAILABLE as error:
            self._failure, self._failed_at = error, time.monotonic()
            raise
        if loaded is None and asked.configuration.migrate_from is not None:
            loaded = self._adopted(asked)
        return self._read(loaded)

    async def aload(self) -> dict[str, Any]:
        """See load()."""
        self._fail_at_once()
        try:
            asked = connections()
            loaded = await asked.arun(asked.operations.load(self.stored_key))
        except UNAVAILABLE as error:
            self._failure, self._failed_at = error, time.monotonic()
            raise
        if loaded is None and asked.configuration.migrate_from is not None:
            loaded = await sync_to_async(self._adopted)(asked)
        return self._read(loaded)

    @property
    def failure(self) -> Exception | None:
        """Why the server could not be asked for this session."""
        return self._failure

    def _fail_at_once(self) -> None:
        """What a request asks for once more, for its error page say, is not worth another time-out."""
        if self._failure is not None and time.monotonic() - self._failed_at < TIMEOUT:
            raise self._failure

    @property
    def stored_key(self) -> str | None:
        """The id under which the server has the session: until a new one is saved, the one before."""
        return None if self._new else self._rotated_from or self.session_key

    def _adopted(self, asked: Connections) -> Loaded | None:
        """The session, taken over from the engine that the site used before."""
        key = self.stored_key
        return migrate.adopt(asked, key, self._policy(asked)) if key is not None and acceptable(key) else None

    def _read(self, loaded: Loaded | None) -> dict[str, Any]:
        if loaded is None:
            if not self._new:
                self._forget()
            return {}
        unreadable = False
        try:
            data = loaded.data()
        except Exception:  # what unpickling says, or another serializer
            _log.warning("Session data corrupted")
            data, unreadable = {}, True
        # Where the data are here already somebody looks once more; the next save compares with the first reading.
        if "_session_cache" not in self.__dict__:
            self._loaded, self._terms = loaded, Terms.of(data)
            self._cleared = unreadable
        return data

    def exists(self, session_key: str | None) -> bool:
        """Whether there is a session with this id. A snapshot is none."""
        asked = connections()
        return asked.run(asked.operations.exists(self._known_as(session_key)))

    async def aexists(self, session_key: str | None) -> bool:
        """See exists()."""
        asked = connections()
        return await asked.arun(asked.operations.exists(self._known_as(session_key)))

    def _known_as(self, session_key: str | None) -> str | None:
        """Under which id the server has the session that the application knows by this one."""
        if session_key is not None and session_key == self.session_key:
            return self.stored_key
        # To the application the old id is gone as soon as there is a new one.
        return None if session_key == self._rotated_from else session_key

    # --- writing ---

    def create(self) -> None:
        """Begins a session under a new id, at once."""
        self._begin_under(new_id())
        self.save(must_create=True)
        self.modified = True

    async def acreate(self) -> None:
        """See create()."""
        self._begin_under(new_id())
        await self.asave(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002
        """Writes what is different from what was read, with one command.

        Raises CreateError if `must_create` and the id is taken, UpdateError if the session ended meanwhile, and
        SessionLimit if the user has as many sessions as they may have.
        """
        if self.session_key is not None:
            self._get_session(no_load=must_create)
            self._must_be_there()
        if self._drops_writes():
            return
        if self.session_key is None:
            self.create()
            return
        asked = connections()
        asked.run(self._saving(asked, must_create=must_create))

    async def asave(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002
        """See save()."""
        if self.session_key is not None:
            await self._aget_session(no_load=must_create)
            self._must_be_there()
        if self._drops_writes():
            return
        if self.session_key is None:
            await self.acreate()
            return
        asked = connections()
        await asked.arun(self._saving(asked, must_create=must_create))

    def _must_be_there(self) -> None:
        if self.session_key is None:
            raise UpdateError

    def _drops_writes(self) -> bool:
        if not self.is_snapshot:
            return False
        if settings.SESSION_SAVE_EVERY_REQUEST:
            # Django's middleware would set the cookie of what it has saved, over the one that the login has set.
            raise SessionRotated
        return True

    def _saving(self, asked: Connections, *, must_create: bool) -> Steps[None]:
        terms = Terms.of(self._session_cache)
        try:
            if must_create or self._new:
                loaded = yield from self._beginning(asked, terms)
            else:
                loaded = yield from self._writing(asked, terms)
        except errors.SessionLimit as error:
            self._revert()
            raise SessionLimit(*error.args) from error
        except errors.SessionConflict as error:
            raise SessionConflict(*error.args) from error
        self._loaded, self._terms = loaded, terms
        self._settle()

    def _beginning(self, asked: Connections, terms: Terms) -> Steps[Loaded]:
        times = self._policy(asked).of_new(terms)
        change = Change(self._user(), times.idle, times.lifetime, times.expires_at)
        loaded = yield from asked.operations.create(str(self.session_key), self._session_cache, change)
        if loaded is None:
            raise CreateError
        return loaded

    def _writing(self, asked: Connections, terms: Terms) -> Steps[Loaded]:
        loaded = self._loaded
        if loaded is None:  # `clear()` without reading
            loaded = yield from asked.operations.load(self.stored_key)
            if loaded is None:
                raise UpdateError
            self._loaded, self._terms = loaded, Terms.of(loaded.data())
        times = yield from self._times(asked, terms, loaded)
        user = self._user()
        whose: Whose = KEEP if user == loaded.user else user
        change = Change(whose, times.idle, times.lifetime, times.expires_at, self._cleared)
        if self._rotated_from is not None:
            written = yield from asked.operations.rotate(loaded, self._session_cache, str(self.session_key), change)
        else:
            # Reading has kept it alive, so that a request that changes nothing need not do it again.
            touch = self._modified or not asked.configuration.options.sliding
            written = yield from asked.operations.save(loaded, self._session_cache, change, touch=touch)
        return written or (yield from self._too_late(asked, loaded, terms))

    def _times(self, asked: Connections, terms: Terms, loaded: Loaded) -> Steps[Times]:
        if not self._modified and terms == self._terms:
            return Times()
        policy = self._policy(asked)
        began = None
        if policy.limits(terms, self._terms):
            began = yield from _began(asked, loaded.id)
        return policy.of_known(terms, self._terms, began)

    def _too_late(self, asked: Connections, loaded: Loaded, terms: Terms) -> Steps[Loaded]:
        """The session ended, or got another id, while this request ran. Nothing comes back, but a login counts."""
        if self._logs_in(loaded) and (loaded.frozen or self._rotated_from is not None):
            self._begin_under(new_id())
            self._loaded = loaded  # what the session is again if that is refused
            return (yield from self._beginning(asked, terms))
        now = yield from asked.operations.load(loaded.id)
        raise SessionRotated if now is not None and now.frozen else UpdateError

    def delete(self, session_key: str | None = None) -> None:
        """Ends this session, or that of the id."""
        asked = connections()
        key = self.stored_key if session_key is None else self._known_as(session_key)
        if key is None:
            return
        asked.run(asked.operations.delete(key))
        if asked.configuration.migrate_from is not None:
            migrate.end(asked, key)

    async def adelete(self, session_key: str | None = None) -> None:
        """See delete()."""
        asked = connections()
        key = self.stored_key if session_key is None else self._known_as(session_key)
        if key is None:
            return
        await asked.arun(asked.operations.delete(key))
        if asked.configuration.migrate_from is not None:
            await sync_to_async(migrate.end)(asked, key)

    def clear(self) -> None:
        """Removes all data, also what other requests have written meanwhile."""
        super().clear()
        self._cleared = True

    def flush(self) -> None:
        """Ends the session and gives up its id.

        A snapshot is given up alone, unless somebody signs out: the browser's cookie is newer than this request.
        """
        if self._gives_up():
            return
        super().flush()
        self._forget()

    async def aflush(self) -> None:
        """See flush()."""
        if self._gives_up():
            return
        self.clear()
        await self.adelete()
        self._forget()

    def signs_out(self) -> None:
        """Somebody signs out: the next flush() removes the cookie, also that of a snapshot."""
        self._signing_out = True

    def cycle_key(self) -> None:
        """Gives the session a new id, against session fixation. The server is told when it is saved."""
        self._get_session()
        self._rotate()

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await self._aget_session()
        self._rotate()

    @classmethod
    def clear_expired(cls) -> None:
        """Nothing to do: the server removes what has expired."""

    @classmethod
    async def aclear_expired(cls) -> None:
        """Nothing to do: the server removes what has expired."""

    # --- an absolute limit ---

    def set_lifetime(self, value: float | timedelta | None) -> None:
        """Ends the session so long (seconds or a timedelta) after login, whatever happens. None: as configured."""
        if value is None:
            self.pop(LIFETIME, None)
        else:
            self[LIFETIME] = value.total_seconds() if isinstance(value, timedelta) else value

    async def aset_lifetime(self, value: float | timedelta | None) -> None:
        """See set_lifetime()."""
        await self._aget_session()
        self.set_lifetime(value)

    # --- the id, and what has become of it ---

    def _begin_under(self, key: str) -> None:
        self._forget()
        self._session_key = key
        self._new = True

    def _rotate(self) -> None:
        if self.session_key is None or self._new:
            self._begin_under(new_id())
        else:
            self._rotated_from = self._rotated_from or self.session_key
            self._session_key = new_id(self._rotated_from)
            _rotating[str(self.session_key)] = self
        self.modified = True

    def _forget(self) -> None:
        """There is no session on the server that this one stands for."""
        self._session_key = None
        self._loaded, self._terms = None, Terms()
        self._gave_up = False
        self._settle()

    def _settle(self) -> None:
        """What was to be told to the server has been told."""
        self._rotated_from = None
        self._new = self._cleared = False

    def _revert(self) -> None:
        """Undoes what this request did to the session: the server has refused it."""
        loaded = self._loaded
        self._session_cache = {} if loaded is None else loaded.data()
        self._session_key = None if loaded is None else loaded.id
        self._modified = False
        self._settle()

    def _gives_up(self) -> bool:
        if self._signing_out or not self.is_snapshot:
            self._gave_up = False
            return False
        super().clear()
        self._forget()
        self._gave_up = True
        return True

    # --- whose it is, and how long ---

    def _user(self) -> str | None:
        user = getattr(self, "_session_cache", {}).get(connections().configuration.user_field)
        return None if user is None or user == "" else str(user)

    def _logs_in(self, loaded: Loaded) -> bool:
        return self._user() not in (None, loaded.user)

    def _policy(self, asked: Connections) -> Policy:
        options = asked.configuration.options
        return Policy(self.get_session_cookie_age() if options.idle is None else options.idle, options.lifetime)


#: Sessions whose new id the server does not know yet, by that id.
_rotating: WeakValueDictionary[str, SessionStore] = WeakValueDictionary()


def _began(asked: Connections, session_id: str) -> Steps[datetime | None]:
    """When a session began, for its absolute limit."""
    reply = yield Command(("SESSION.INFO", asked.operations.keys.key(session_id)))
    return None if reply is None else at(named(reply)["created"])


def stored_key(session: Any) -> str | None:
    """Under which id the server has a session, of the session itself, a request with it, or its `session_key`."""
    if session is None:
        return None
    session = getattr(session, "session", session)
    if isinstance(session, str):
        known = _rotating.get(session)
        return known.stored_key if known is not None and known.session_key == session else session
    if isinstance(session, SessionStore):
        return session.stored_key
    if isinstance(session, SessionBase):
        raise ImproperlyConfigured(
            f'the session is kept by {type(session).__module__}: "my devices" needs SESSION_ENGINE = "{ENGINE}"'
        )
    raise TypeError(f"a session, a request with one, or a session_key was expected, not {type(session).__name__}")
