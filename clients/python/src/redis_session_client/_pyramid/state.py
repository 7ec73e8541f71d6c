"""A session as a dict that knows what the server has of it, and writes what is different."""

from __future__ import annotations

import logging
import time
import weakref
from typing import Any

from .._arguments import KEEP, Timeout, Whose, seconds
from .._models import Loaded
from ..fields import ATOMS, are_atoms
from ..store import DEVICE, Store
from .habits import Habits, stored_id

# To find an id that is free, where the application makes ids by itself; to end what others write at the same moment.
_TRIES = 5

logger = logging.getLogger("redis_session_client.pyramid")


class State(dict[str, Any]):
    """The data, and what is to be written with the response."""

    def __init__(
        self,
        store: Store,
        habits: Habits,
        loaded: Loaded | None = None,
        session_id: str | None = None,
        request: Any = None,
    ) -> None:
        self._store = store
        self._habits = habits
        # Weak, or request and session would hold each other until the garbage collector comes.
        self._request = None if request is None else weakref.ref(request)
        data = None if loaded is None else _decoded(loaded)
        #: The session as the server has it, as far as this request knows. None: it has none yet.
        self._loaded = None if data is None else loaded
        #: The id in the cookie. None: invalidated, and no other session begun since.
        self._id: str | None = session_id
        if data is not None:
            super().__init__(data)
            self._look_for_nested()
        else:
            self._id = habits.new_id()
            self._new = self._cookie_due = True
            self._came_with_cookie = False
            self._began = time.time()

    # What is so with most requests stands here, and is not set for each.
    _new = _cookie_due = False
    _came_with_cookie = True
    _began = 0.0
    #: A session without a user that was invalidated: with the response it ends, or is followed by the next one.
    _left: Loaded | None = None
    #: Another request has logged the visitor in whose session this one ends: the browser's cookie is that one's.
    _overtaken = False
    #: Whether there is anything that can change without a method of this class.
    _has_nested = False
    #: What is to be written, beside the data.
    _written = _replace = _rotation = False
    _idle: Timeout = KEEP
    _lifetime: Timeout = KEEP
    #: The idle timeout, where this request has set it. KEEP: it has not.
    _idle_set: Timeout = KEEP
    _details: Loaded | None = None

    @property
    def store(self) -> Store:
        """Where the session is kept."""
        return self._store

    @property
    def stored_id(self) -> str | None:
        """The id by which the store knows this session. None: it has not been written yet."""
        return None if self._loaded is None else self._loaded.id

    @property
    def user(self) -> str | None:
        """Whose session this is, by what it holds."""
        return self._habits.user(self)

    def save(self) -> None:
        """Writes now what is written with the response otherwise. One command; none, if nothing has changed.

        For a view that answers the errors itself: SessionLimit, SessionConflict, SessionTooLarge, those of the
        connection. After an error the session is what it was when it was read. Where it has ended meanwhile nothing is
        written, and nothing comes back.
        """
        try:
            self._write()
        except Exception:
            dict.clear(self)
            if self._loaded is not None:
                dict.update(self, self._loaded.data())
            self._written = True
            raise
        finally:
            if self._written:
                self._look_for_nested()
            self._forget_pending()

    def invalidate(self) -> None:
        """Ends the session. What is set from now on begins another one, under another id."""
        loaded, self._loaded = self._loaded, None
        request = None if self._request is None else self._request()
        if loaded is not None and request is not None and self._may_be_followed(loaded):
            self._left = loaded
            # Runs whatever becomes of the request.
            request.add_finished_callback(self._end_left)
        elif loaded is not None:
            self._end(loaded)
        self._id = self._details = None
        self._idle_set = KEEP
        dict.clear(self)
        self._forget_pending()
        self._look_for_nested()

    def _may_be_followed(self, loaded: Loaded) -> bool:
        # invalidate() and then remember() is how many sites log in. What a user had ends at once. What a visitor had
        # stays readable for the grace if it is a login: a request under way would begin a session, and its cookie undo
        # the login.
        return loaded.user is None and not loaded.frozen and self._store.options.rotation_grace > 0

    # --- what goes to the server ---

    def _write(self) -> None:
        if self._loaded is not None:
            self._write_known(self._loaded)
        elif self._id is not None:
            self._write_new()
        else:
            self._end_left()

    def _write_known(self, loaded: Loaded) -> None:
        user = self.user
        login = user is not None and user != loaded.user
        if loaded.frozen:
            # A second click on "log in" brings the id from before the first: the visitor has just shown who they are.
            if login:
                self._begin_anew(dict(self), user)
            return
        if not self._is_different(loaded, user):
            return
        self._note_device(login=login)
        # Told only if it is another: a request of this moment may have logged in or out.
        whose = KEEP if user == loaded.user else user
        if self._rotation or (login and self._habits.rotate_on_login):
            saved = self._rotate(loaded, whose)
        else:
            saved = self._store.save(
                loaded, self, user=whose, idle=self._idle, lifetime=self._lifetime, replace=self._replace
            )
        if saved is not None:
            self._loaded, self._details = saved, None
            self._idle_set = self._idle if self._idle is not KEEP else self._idle_set
        elif login:
            # The session has ended, the login has not: it goes on without what the former session held.
            self._begin_anew(self._changed_since(loaded), user)
        else:
            logger.info("a session has ended meanwhile: what this request has changed in it is dropped")

    def _is_different(self, loaded: Loaded, user: str | None) -> bool:
        times = self._idle is not KEEP or self._lifetime is not KEEP
        return self._written or self._has_nested or self._rotation or times or user != loaded.user

    def _rotate(self, loaded: Loaded, whose: Whose) -> Loaded | None:
        following = self._habits.next_id(loaded.id)
        saved = self._store.rotate(
            loaded,
            self,
            new=stored_id(following),
            user=whose,
            idle=self._idle,
            lifetime=self._lifetime,
            replace=self._replace,
        )
        if saved is not None:
            self._id, self._cookie_due = following, True
        return saved

    def _changed_since(self, loaded: Loaded) -> dict[str, Any]:
        before = loaded.data()
        return {name: value for name, value in self.items() if name not in before or before[name] != value}

    def _begin_anew(self, data: dict[str, Any], user: str | None) -> None:
        """Goes on under a new id, since the login of this request is not to be lost."""
        if user is not None and (device := self._device()) is not None:
            data[DEVICE] = device
        self._create(self._habits.new_id(), data, user)
        dict.clear(self)
        dict.update(self, data)
        self._new = True

    def _write_new(self) -> None:
        user = self.user
        self._note_device(login=user is not None)
        if self._left is not None and user is not None and self._follow(self._left, user):
            return
        self._end_left()
        if self._overtaken and user is None:
            logger.info("a visitor has logged in meanwhile: what this request has set after invalidate() is dropped")
            return
        self._create(self._begun(), self, user)

    def _end_left(self, _: Any = None) -> None:
        if self._left is not None:
            self._end(self._left)
            self._left = None

    def _end(self, loaded: Loaded) -> None:
        if loaded.user is not None:
            self._store.delete(loaded.id)
        elif not self._end_visit(loaded):
            self._overtaken = True

    def _end_visit(self, loaded: Loaded) -> bool:
        """Ends a visitor's session. False: another request has logged them in meanwhile, and that stays."""
        # A login leaves a snapshot under the old id, which cannot be ended; or, without a rotation, a later version.
        known = loaded if self._habits.rotate_on_login else with_details(self._store).load(loaded.id)
        for _ in range(_TRIES):
            if known is None:
                return True
            if known.frozen or known.user is not None:
                break
            if self._store.end(known, unless_written=True):
                return True
            known = with_details(self._store).load(loaded.id)
        return False

    def _follow(self, left: Loaded, user: str | None) -> bool:
        """Begins the session by a rotation of the one that was invalidated, whose data stays behind."""
        options = self._store.options
        saved = self._store.rotate(
            left,
            self,
            new=stored_id(self._begun()),
            user=user,
            idle=self._idle_of_a_new_one(),
            lifetime=self._lifetime if self._lifetime is not KEEP or options.lifetime is None else options.lifetime,
            replace=True,
        )
        self._left = None
        if saved is None:
            return False
        self._loaded, self._cookie_due = saved, True
        self._idle_set = self._idle_of_a_new_one()
        return True

    def _create(self, session_id: str, data: dict[str, Any], user: str | None) -> None:
        for _ in range(_TRIES):
            made = self._store.create(stored_id(session_id), data, user=user, idle=self._idle, lifetime=self._lifetime)
            if made is not None:
                self._loaded = made
                self._id, self._cookie_due = session_id, True
                self._idle_set = self._idle_of_a_new_one()
                return
            session_id = self._habits.new_id()
        raise RuntimeError(f"id_generator has made {_TRIES} ids that are taken")

    def _note_device(self, *, login: bool) -> None:
        if login and (device := self._device()) is not None:
            self[DEVICE] = device

    def _device(self) -> Any:
        request = None if self._request is None else self._request()
        return None if request is None else self._habits.device(request)

    # --- what is pending ---

    def _begun(self) -> str:
        """The id. After `invalidate()` a session begins with the first look at it."""
        if self._id is None:
            self._id = self._habits.new_id() if self._left is None else self._habits.next_id(self._left.id)
            self._began = time.time()
            self._new = self._cookie_due = True
        return self._id

    def _write_begins(self) -> None:
        self._written = True
        if self._id is None:
            self._begun()

    def _forget_pending(self) -> None:
        self._written = self._replace = self._rotation = False
        self._idle = self._lifetime = KEEP

    def _look_for_nested(self) -> None:
        self._has_nested = not are_atoms(self.values()) and any(
            # The device is replaced, if at all.
            type(value) not in ATOMS and name != DEVICE
            for name, value in self.items()
        )

    def _idle_of_a_new_one(self) -> Timeout:
        """KEEP: the server's default."""
        default = self._store.options.idle
        return self._idle if self._idle is not KEEP or default is None else default

    # --- what is asked for once in a while, and so not read with each request ---

    def _idle_seconds(self) -> float | None:
        """The idle timeout as it is, or is about to be. One command, if the session was only read."""
        idle = self._idle if self._idle is not KEEP else self._idle_set
        if idle is KEEP and self._loaded is None:
            idle = self._store.options.idle
        if idle is KEEP:
            details = self._detailed()
            return None if details is None else details.idle
        return None if idle is None else seconds(idle)

    def _created_at(self) -> float:
        """When the session began, in Unix seconds. One command, if the session was only read."""
        known = self._loaded
        if known is not None and known.created is None:
            known = self._detailed()
        if known is None or known.created is None:
            return self._began or time.time()
        return known.created.timestamp()

    def _detailed(self) -> Loaded | None:
        """The session with all that the server knows of it. None: it has ended, or has not been written yet."""
        if self._details is None and self._loaded is not None:
            self._details = with_details(self._store).load(self._loaded.id)
        return self._details


def _decoded(loaded: Loaded) -> dict[str, Any] | None:
    """The data. What cannot be decoded (another serializer wrote it) is as good as no session."""
    try:
        return loaded.data()
    except Exception:
        logger.warning("a session could not be decoded, and is taken for none", exc_info=True)
        return None


def with_details(store: Store) -> Store:
    """The same store, whose `load` also tells when a session began and ends."""
    return Store(store.client, store.options, store.codec)
