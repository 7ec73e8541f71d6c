"""What is done to sessions, as generators of commands: written once, for sync and async."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from redis import exceptions

from . import _arguments as arguments
from ._arguments import KEEP, Argument, User
from ._drive import Command, Steps
from ._models import Change, Details, Device, Loaded, Options
from ._replies import at, named, text
from .errors import BadJSON, SessionConflict, SessionGone, SessionLimit
from .fields import Codec, Encoded, compacted, stored
from .keys import Keys, acceptable, handle, new_id

#: The field that holds what is known of a session's device: a dict, made at login.
DEVICE = "_device"
_ROUNDS = 10  # of a sign-out that new sessions, or moving slots, keep up with


class Operations:
    """What is done, as generators of commands."""

    def __init__(self, options: Options, codec: Codec, *, is_cluster: bool, details: Details = True) -> None:
        self.options = options
        self.codec = codec
        self.keys = Keys(options.prefix, hashed=options.hash_keys)
        self.is_cluster = is_cluster
        meta = ["user", "grace"]
        if options.conflict == "strict" or details:
            meta.append("version")
        if details:
            meta.append("idle")
        if details is True:
            meta += ["created", "end"]
        self._read = "SESSION.GETEX" if options.sliding else "SESSION.GET"
        self._wanted: tuple[Argument, ...] = ("META", len(meta), *meta, "JSON")

    # --- one session ---

    def load(self, session_id: str | None) -> Steps[Loaded | None]:
        if session_id is None or not acceptable(session_id):
            return None
        key = self.keys.key(session_id)
        reply = yield Command((self._read, key, *self._wanted))
        if reply is None:
            return None
        # In the order asked for, whichever protocol it is; the data are last.
        user, grace, *more, data = list(reply.values()) if isinstance(reply, dict) else reply[1::2]
        parts = (Encoded(data if isinstance(data, str) else data.decode()),)
        user = None if user is None else text(user).removeprefix(self.options.user_prefix)
        loaded = Loaded(session_id, key, user, grace is not None, self.codec, parts)
        if more:
            loaded.version = more[0]
        if len(more) > 1 and more[1] is not None:
            loaded.idle = more[1] / 1000
        if len(more) > 2:  # noqa: PLR2004
            loaded.created, loaded.end = at(more[2]), None if more[3] is None else at(more[3])
        return loaded

    def create(self, session_id: str, data: Mapping[Any, Any], change: Change) -> Steps[Loaded | None]:
        user = None if change.user is KEEP else change.user
        yield from self._room_before(user, None)
        changed, _ = self.codec.difference((), data)
        whose = [] if user is None else arguments.whose(self._named(user))
        times = self._times_of_a_new_one(change)
        key = self.keys.key(session_id)
        head = ["SESSION.SET", key, "NX", *whose, *times, *self._room(user)]
        version, encoded = yield from self._write(head, [], changed, [])
        if version is None and (yield from self._is_ours(session_id, encoded)):
            version = 1
        if version is None:
            return None
        yield from self._room_after(user, session_id)
        loaded = Loaded(session_id, key, _str(user), False, self.codec, (encoded,), version)
        loaded.created = datetime.now(timezone.utc)
        return loaded

    def save(
        self, loaded: Loaded, data: Mapping[Any, Any] | None, change: Change, *, touch: bool
    ) -> Steps[Loaded | None]:
        if loaded.frozen:
            return None
        changed, gone = self._difference(loaded, data, change)
        times = self._times(change)
        is_moved = self._is_moved(loaded, change)
        joins = self._joins(loaded, change) if is_moved else None
        if not (changed or gone or times or change.replace or is_moved):
            if not touch:
                return loaded
            return loaded if (yield Command(("SESSION.TOUCH", loaded.key))) else None
        if joins is not None:
            yield from self._room_before(joins, loaded.id)
        strict = self.options.conflict == "strict"
        head: list[Argument] = ["SESSION.SET", loaded.key]
        head += self._if_version(loaded) or ["XX"]
        head += self._changes(change, times, joins)
        try:
            version, encoded = yield from self._write(head, [], changed, gone, repeat=not strict)
        except SessionGone:
            return None
        if version is None:
            yield from self._refused(loaded)
            return None
        if joins is not None:
            yield from self._room_after(joins, loaded.id)
        return self._written(loaded, version, encoded, change)

    def rotate(self, loaded: Loaded, data: Mapping[Any, Any] | None, new: str, change: Change) -> Steps[Loaded | None]:
        if loaded.frozen:
            return None
        changed, gone = self._difference(loaded, data, change)
        joins = self._joins(loaded, change)
        yield from self._room_before(joins, loaded.id)
        newkey = self.keys.key(new)
        head: list[Argument] = ["SESSION.ROTATE", loaded.key, newkey]
        head += self._if_version(loaded)
        head += self._changes(change, self._times(change), joins)
        grace = round(self.options.rotation_grace * 1000)
        tail: list[Argument] = ["PGRACE", grace] if grace else []
        try:
            version, encoded = yield from self._write(head, tail, changed, gone, repeat=bool(grace))
        except SessionGone:
            return None
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            # Without a grace nothing tells a repeated rotation from another: look whether it was carried out.
            there = None if grace else (yield from self.load(new))
            if there is None:
                raise
            return there
        if version is None:
            yield from self._refused(loaded)
            return None
        yield from self._room_after(joins, new)
        now = self._written(loaded, version, encoded, change)
        now.id, now.key = new, newkey
        return now

    def delete(self, session_id: str | None) -> Steps[bool]:
        if session_id is None or not acceptable(session_id):
            return False
        return bool((yield Command(("SESSION.DEL", self.keys.key(session_id)))))

    def end(self, loaded: Loaded, *, unless_written: bool) -> Steps[bool]:
        if loaded.frozen:
            return False
        key, over = loaded.key, arguments.times(expires_at=0)
        known = loaded.version if unless_written else None
        # Sent again, after a lost reply, either finds no session and does no harm.
        try:
            if known is None:  # a server that is out of memory takes this one
                return bool((yield Command(("SESSION.ADJUST", key, *over))))
            return (yield Command(("SESSION.SET", key, "IFVERSION", known, *over))) is not None
        except SessionGone:
            return False

    def exists(self, session_id: str | None) -> Steps[bool]:
        if session_id is None or not acceptable(session_id):
            return False
        reply = yield Command(("SESSION.INFO", self.keys.key(session_id)))
        return reply is not None and named(reply)["grace"] is None

    def touch(self, session_id: str | None) -> Steps[bool]:
        if session_id is None or not acceptable(session_id):
            return False
        return bool((yield Command(("SESSION.TOUCH", self.keys.key(session_id)))))

    def adjust(self, session_id: str | None, change: Change) -> Steps[bool]:
        times = self._times(change)
        if not times:
            return (yield from self.touch(session_id))
        if session_id is None or not acceptable(session_id):
            return False
        try:
            return bool((yield Command(("SESSION.ADJUST", self.keys.key(session_id), *times))))
        except SessionGone:
            return False

    # --- a user's sessions ---

    def devices(self, user: User, current: str | None) -> Steps[list[Device]]:
        meta = ("META", 4, "created", "accessed", "deadline", "version")
        rows = yield from self._rows(user, *meta, "JSON", "FIELDS", 1, DEVICE)
        here = None if current is None else self.keys.key(current)
        rows.sort(key=lambda row: (-row["accessed"], text(row["key"])))
        return [self._device(row, here) for row in rows]

    def count(self, user: User) -> Steps[int]:
        replies = yield Command(("SESSION.COUNT", self._named(user)), everywhere=True)
        return sum(replies)

    def sign_out(self, user: User, keep: str | None) -> Steps[int]:
        kept = () if keep is None else ("EXCEPT", 1, self.keys.key(keep))
        ended = 0
        # In a cluster a session may be on its way from one primary to another while these are asked, and be overlooked
        # by both: so all are asked twice, and again as long as there was one to end.
        for turn in range(_ROUNDS if self.is_cluster else 1):
            round_ended = sum((yield Command(("SESSION.REVOKE", self._named(user), *kept), everywhere=True)))
            ended += round_ended
            if turn > 0 and not round_ended:
                break
        return ended

    def sign_out_device(self, user: User, wanted: str) -> Steps[bool]:
        # What was on its way the first time has arrived the second time.
        for _ in range(2 if self.is_cluster else 1):
            for key in (yield from self._keys_of(user)):
                if handle(key) == wanted and (yield from self._end(user, [key])):
                    return True
        return False

    def _end(self, user: User, keys: list[str]) -> Steps[int]:
        """Ends these sessions of a user. All primaries are asked: the client's map may be old, and none corrects it."""
        return sum((yield Command(("SESSION.REVOKE", self._named(user), "ONLY", len(keys), *keys), everywhere=True)))

    def _rows(self, user: User, *wanted: Argument) -> Steps[list[dict[str, Any]]]:
        """A user's sessions, with what is wanted of each. Two primaries may name one that is on its way."""
        replies = yield Command(("SESSION.BYUSER", self._named(user), *wanted), everywhere=True)
        rows = [named(row) for reply in replies for row in reply]
        return list({text(row["key"]): row for row in rows}.values())

    def _keys_of(self, user: User) -> Steps[list[str]]:
        replies = yield Command(("SESSION.BYUSER", self._named(user)), everywhere=True)
        return [text(key) for reply in replies for key in reply]

    def check(self) -> Steps[None]:
        yield Command(("SESSION.GET", self.keys.key("check-" + new_id())))

    # --- parts of these ---

    def _write(
        self,
        head: list[Argument],
        tail: list[Argument],
        changed: dict[str, Any],
        gone: list[str],
        *,
        repeat: bool = True,
    ) -> Steps[tuple[int | None, Encoded]]:
        """Sends a write; where the server does not take a value as JSON, once more with that one as a raw field."""
        encoded = self.codec.encode(changed, gone)
        key = None if repeat else str(head[1])
        try:
            version = yield Command((*head, *arguments.data(encoded), *tail), key, repeat)
        except BadJSON:
            encoded = self.codec.encode(changed, gone, careful=True)
            version = yield Command((*head, *arguments.data(encoded), *tail), key, repeat)
        return version, encoded

    def _difference(
        self, loaded: Loaded, data: Mapping[Any, Any] | None, change: Change
    ) -> tuple[dict[str, Any], list[str]]:
        if data is None:
            return {}, []
        return self.codec.difference((), data) if change.replace else loaded.difference(data)

    def _if_version(self, loaded: Loaded) -> list[Argument]:
        known = loaded.version if self.options.conflict == "strict" else None
        return [] if known is None else ["IFVERSION", known]

    def _is_moved(self, loaded: Loaded, change: Change) -> bool:
        return change.user is not KEEP and _str(change.user) != loaded.user

    def _joins(self, loaded: Loaded, change: Change) -> User | None:
        """The user whose sessions become one more, for whom the cap counts."""
        return change.user if change.user is not KEEP and self._is_moved(loaded, change) else None

    def _changes(self, change: Change, times: list[Argument], joins: User | None) -> list[Argument]:
        replace: list[Argument] = ["REPLACE"] if change.replace else []
        return [*replace, *arguments.whose(self._named(change.user)), *times, *self._room(joins)]

    def _written(self, loaded: Loaded, version: int, encoded: Encoded, change: Change) -> Loaded:
        """The session as it is now, without reading it again."""
        parts = (*(() if change.replace else loaded.parts), *((encoded,) if encoded else ()))
        user = loaded.user if change.user is KEEP else _str(change.user)
        now = Loaded(loaded.id, loaded.key, user, loaded.frozen, self.codec, compacted(parts), version)
        now.created, now.idle, now.end = loaded.created, loaded.idle, loaded.end
        return now

    def _refused(self, loaded: Loaded) -> Steps[None]:
        """Raises where a write met a later version; nothing, where there is no session any more."""
        if self.options.conflict == "strict" and (yield from self.exists(loaded.id)):
            raise SessionConflict("the session was written by another request since this one read it")

    def _is_ours(self, session_id: str, encoded: Encoded) -> Steps[bool]:
        """Tells whether the session that is there is the one that we wrote: the first reply may have been lost."""
        reply = yield Command(("SESSION.GET", self.keys.key(session_id), "META", 2, "version", "grace", "JSON"))
        if reply is None:
            return False
        said = named(reply)
        same = stored((Encoded(text(said["data"])),)) == stored((encoded,))
        return said["version"] == 1 and said["grace"] is None and bool(encoded) and same

    @staticmethod
    def _times(change: Change) -> list[Argument]:
        return arguments.times(change.idle, change.lifetime, change.expires_at)

    def _times_of_a_new_one(self, change: Change) -> list[Argument]:
        if change.idle is KEEP and self.options.idle is not None:
            change = change._replace(idle=self.options.idle)
        if change.lifetime is KEEP and change.expires_at is KEEP and self.options.lifetime is not None:
            change = change._replace(lifetime=self.options.lifetime)
        return self._times(change)

    # --- the cap. The server's own counts the sessions of one slot, so in a cluster the client sees to it, in steps ---

    def _room(self, user: User | None) -> list[Argument]:
        if user is None or self.is_cluster:
            return []
        return arguments.room(self.options.max_sessions, self.options.on_limit)

    def _room_before(self, user: User | None, session_id: str | None) -> Steps[None]:
        most = self.options.max_sessions
        if user is None or most is None or not self.is_cluster or self.options.on_limit != "reject":
            return
        own = None if session_id is None else self.keys.key(session_id)
        there = [key for key in (yield from self._keys_of(user)) if key != own]
        if len(there) >= most:
            raise SessionLimit(f"SESSIONLIMIT the user has {len(there)} sessions already")

    def _room_after(self, user: User | None, session_id: str) -> Steps[None]:
        most = self.options.max_sessions
        if user is None or most is None or not self.is_cluster or self.options.on_limit == "reject":
            return
        rows = yield from self._rows(user, "META", 3, "created", "accessed", "version")
        own = self.keys.key(session_id)
        others = [row for row in rows if text(row["key"]) != own]
        by = ("accessed", "created") if self.options.on_limit == "lru" else ("created", "accessed")
        others.sort(key=lambda row: tuple(row[name] for name in by))
        excess = [text(row["key"]) for row in others[: max(0, len(others) + 1 - most)]]
        if excess:
            yield from self._end(user, excess)

    # --- names ---

    def _device(self, row: dict[str, Any], here: str | None) -> Device:
        key = text(row["key"])
        deadline = None if row["deadline"] is None else at(row["deadline"])
        return Device(handle(key), at(row["created"]), at(row["accessed"]), deadline, self._noted(row), key == here)

    def _noted(self, row: dict[str, Any]) -> Any:
        try:
            noted = None if row["data"] is None else self.codec.decode((Encoded(text(row["data"])),)).get(DEVICE)
        except Exception:  # of a session that another serializer wrote: it is to be seen, and signed out, all the same
            noted = None
        # A page that shows what logins note is not to fail at a session that was moved in from another store.
        return dict.fromkeys(("ip", "agent", "name"), "") if noted is None else noted

    def _named(self, user: Any) -> Any:
        if user is KEEP or user is None:
            return user
        if isinstance(user, bytes):
            return self.options.user_prefix.encode() + user
        return f"{self.options.user_prefix}{user}"


def _str(user: Any) -> str | None:
    return None if user is None else text(user)
