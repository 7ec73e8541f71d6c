"""The module's commands with Python types, for whoever wants them without a framework.

`Sessions` runs on a `redis.Redis` (also one of a Sentinel) or a `redis.RedisCluster`, `AsyncSessions` on their asyncio
forms; both have the same methods. Keys, users, names and raw values are `str` or `bytes`; replies are what the client
decodes. Times are seconds (or a timedelta), ends a datetime or Unix seconds; None is none, `KEEP` (the default) leaves
what is there. In a cluster `byuser`, `count` and `revoke` ask every primary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import _commands
from ._arguments import KEEP, Key, Seconds, Timeout, Until, User, Whose
from ._commands import Fields, JSONObject, MaxSessions, Value, Write
from ._drive import AsyncClient, AsyncServer, SyncClient, SyncServer

__all__ = ["AsyncSessions", "Sessions"]


class Sessions:
    """The module's commands, on a sync client."""

    def __init__(self, client: SyncClient) -> None:
        self.client = client
        self._server = SyncServer(client)

    def set(
        self,
        key: Key,
        *,
        nx: bool = False,
        xx: bool = False,
        ifversion: int | None = None,
        replace: bool = False,
        user: Whose = KEEP,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        max_sessions: MaxSessions | None = None,
        keepttl: bool = False,
        unset: Iterable[Key] = (),
        fields: Fields | None = None,
        json: JSONObject | None = None,
    ) -> int | None:
        """Begins or changes a session. Returns its version; None where NX, XX or IFVERSION is not met."""
        return self._server.run(
            _commands.set_(
                key,
                Write(user, idle, lifetime, expires_at, max_sessions, unset, fields, json),
                nx=nx,
                xx=xx,
                ifversion=ifversion,
                replace=replace,
                keepttl=keepttl,
            )
        )

    def new(
        self,
        prefix: Key = "",
        *,
        user: User | None = None,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        max_sessions: MaxSessions | None = None,
        fields: Fields | None = None,
        json: JSONObject | None = None,
    ) -> str:
        """Begins a session under a random id that the server makes, and returns its key. Never sent twice."""
        return self._server.run(
            _commands.new(
                prefix,
                Write(KEEP if user is None else user, idle, lifetime, expires_at, max_sessions, (), fields, json),
            )
        )

    def get(self, key: Key, fields: Iterable[Key] | None = None) -> Any:
        """The fields as a dict, or a list of the values of `fields`; None: there is no session. Changes nothing."""
        return self._server.run(_commands.get(key, fields))

    def getex(self, key: Key, fields: Iterable[Key] | None = None, *, idle: Timeout = KEEP) -> Any:
        """As `get`, and keeps the session alive; `idle` becomes its timeout."""
        return self._server.run(_commands.getex(key, idle, fields))

    def get_json(self, key: Key, fields: Iterable[Key] | None = None) -> dict[str, Any] | None:
        """The data, or the `fields` that are there, as JSON says it. None: there is no session."""
        return self._server.run(_commands.get_json("SESSION.GET", key, KEEP, fields))

    def getex_json(
        self, key: Key, fields: Iterable[Key] | None = None, *, idle: Timeout = KEEP
    ) -> dict[str, Any] | None:
        """As `get_json`, and keeps the session alive."""
        return self._server.run(_commands.get_json("SESSION.GETEX", key, idle, fields))

    def touch(self, *keys: Key) -> int:
        """Keeps sessions alive. Returns how many there are."""
        return self._server.run(_commands.touch(keys))

    def adjust(self, key: Key, *, idle: Timeout = KEEP, lifetime: Timeout = KEEP, expires_at: Until = KEEP) -> bool:
        """Changes a session's own times, at least one. Tells whether there is a session."""
        return self._server.run(_commands.adjust(key, idle, lifetime, expires_at))

    def byuser(self, user: User, *, limit: tuple[int, int] | None = None) -> list[Key]:
        """The keys of a user's live sessions, latest access first. `limit`: offset and count, of each primary."""
        return self._server.run(_commands.byuser(user, limit))

    def byuser_info(
        self, user: User, fields: Iterable[Key] = (), *, limit: tuple[int, int] | None = None
    ) -> list[dict[str, Any]]:
        """The same as dicts with `key` and what `info` tells, and of `data` the `fields`."""
        return self._server.run(_commands.byuser_info(user, fields, limit))

    def count(self, user: User) -> int:
        """How many live sessions a user has."""
        return self._server.run(_commands.count(user))

    def delete(self, *keys: Key) -> int:
        """Ends sessions. Returns how many ended."""
        return self._server.run(_commands.delete(keys))

    def revoke(self, user: User, *, keep: Iterable[Key] = (), only: Iterable[Key] = ()) -> int:
        """Ends all sessions of a user, all but `keep`, or `only` these. Returns how many ended."""
        return self._server.run(_commands.revoke(user, keep, only))

    def rotate(
        self,
        key: Key,
        newkey: Key,
        *,
        ifversion: int | None = None,
        replace: bool = False,
        user: Whose = KEEP,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        max_sessions: MaxSessions | None = None,
        unset: Iterable[Key] = (),
        fields: Fields | None = None,
        json: JSONObject | None = None,
        grace: Seconds = 0,
    ) -> int | None:
        """Gives a session a new key. Returns its version; None: there is none, or IFVERSION is not met.

        With a `grace` (1 ms to 5 min) a client's own retry is harmless; without one it is not sent twice.
        """
        return self._server.run(
            _commands.rotate(
                key,
                newkey,
                Write(user, idle, lifetime, expires_at, max_sessions, unset, fields, json),
                ifversion=ifversion,
                replace=replace,
                grace=grace,
            )
        )

    def unset(self, key: Key, *fields: Key, ifversion: int | None = None, keepttl: bool = False) -> int | None:
        """Removes fields. Returns how many there were; None where IFVERSION is not met."""
        return self._server.run(_commands.unset(key, fields, ifversion=ifversion, keepttl=keepttl))

    def pop(
        self, key: Key, *fields: Key, ifversion: int | None = None, keepttl: bool = False
    ) -> list[Value | None] | None:
        """Reads fields and removes them. Never sent twice: an error may mean that the values are gone."""
        return self._server.run(_commands.pop(key, fields, ifversion=ifversion, keepttl=keepttl))

    def incrby(
        self, key: Key, field: Key, increment: int = 1, *, ifversion: int | None = None, keepttl: bool = False
    ) -> int | None:
        """Adds to a counter and returns it; None: there is no session. Never sent twice."""
        return self._server.run(_commands.incrby(key, field, increment, ifversion=ifversion, keepttl=keepttl))

    def info(self, key: Key) -> dict[str, Any] | None:
        """User, times (datetimes in UTC; idle and lifetime in seconds), version and size; None: there is no session."""
        return self._server.run(_commands.info(key))


class AsyncSessions:
    """The module's commands, on an asyncio client. See `Sessions`."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self._server = AsyncServer(client)

    async def set(
        self,
        key: Key,
        *,
        nx: bool = False,
        xx: bool = False,
        ifversion: int | None = None,
        replace: bool = False,
        user: Whose = KEEP,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        max_sessions: MaxSessions | None = None,
        keepttl: bool = False,
        unset: Iterable[Key] = (),
        fields: Fields | None = None,
        json: JSONObject | None = None,
    ) -> int | None:
        """Begins or changes a session. Returns its version; None where NX, XX or IFVERSION is not met."""
        return await self._server.run(
            _commands.set_(
                key,
                Write(user, idle, lifetime, expires_at, max_sessions, unset, fields, json),
                nx=nx,
                xx=xx,
                ifversion=ifversion,
                replace=replace,
                keepttl=keepttl,
            )
        )

    async def new(
        self,
        prefix: Key = "",
        *,
        user: User | None = None,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        max_sessions: MaxSessions | None = None,
        fields: Fields | None = None,
        json: JSONObject | None = None,
    ) -> str:
        """Begins a session under a random id that the server makes, and returns its key. Never sent twice."""
        return await self._server.run(
            _commands.new(
                prefix,
                Write(KEEP if user is None else user, idle, lifetime, expires_at, max_sessions, (), fields, json),
            )
        )

    async def get(self, key: Key, fields: Iterable[Key] | None = None) -> Any:
        """The fields as a dict, or a list of the values of `fields`; None: there is no session. Changes nothing."""
        return await self._server.run(_commands.get(key, fields))

    async def getex(self, key: Key, fields: Iterable[Key] | None = None, *, idle: Timeout = KEEP) -> Any:
        """As `get`, and keeps the session alive; `idle` becomes its timeout."""
        return await self._server.run(_commands.getex(key, idle, fields))

    async def get_json(self, key: Key, fields: Iterable[Key] | None = None) -> dict[str, Any] | None:
        """The data, or the `fields` that are there, as JSON says it. None: there is no session."""
        return await self._server.run(_commands.get_json("SESSION.GET", key, KEEP, fields))

    async def getex_json(
        self, key: Key, fields: Iterable[Key] | None = None, *, idle: Timeout = KEEP
    ) -> dict[str, Any] | None:
        """As `get_json`, and keeps the session alive."""
        return await self._server.run(_commands.get_json("SESSION.GETEX", key, idle, fields))

    async def touch(self, *keys: Key) -> int:
        """Keeps sessions alive. Returns how many there are."""
        return await self._server.run(_commands.touch(keys))

    async def adjust(
        self, key: Key, *, idle: Timeout = KEEP, lifetime: Timeout = KEEP, expires_at: Until = KEEP
    ) -> bool:
        """Changes a session's own times, at least one. Tells whether there is a session."""
        return await self._server.run(_commands.adjust(key, idle, lifetime, expires_at))

    async def byuser(self, user: User, *, limit: tuple[int, int] | None = None) -> list[Key]:
        """The keys of a user's live sessions, latest access first. `limit`: offset and count, of each primary."""
        return await self._server.run(_commands.byuser(user, limit))

    async def byuser_info(
        self, user: User, fields: Iterable[Key] = (), *, limit: tuple[int, int] | None = None
    ) -> list[dict[str, Any]]:
        """The same as dicts with `key` and what `info` tells, and of `data` the `fields`."""
        return await self._server.run(_commands.byuser_info(user, fields, limit))

    async def count(self, user: User) -> int:
        """How many live sessions a user has."""
        return await self._server.run(_commands.count(user))

    async def delete(self, *keys: Key) -> int:
        """Ends sessions. Returns how many ended."""
        return await self._server.run(_commands.delete(keys))

    async def revoke(self, user: User, *, keep: Iterable[Key] = (), only: Iterable[Key] = ()) -> int:
        """Ends all sessions of a user, all but `keep`, or `only` these. Returns how many ended."""
        return await self._server.run(_commands.revoke(user, keep, only))

    async def rotate(
        self,
        key: Key,
        newkey: Key,
        *,
        ifversion: int | None = None,
        replace: bool = False,
        user: Whose = KEEP,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        max_sessions: MaxSessions | None = None,
        unset: Iterable[Key] = (),
        fields: Fields | None = None,
        json: JSONObject | None = None,
        grace: Seconds = 0,
    ) -> int | None:
        """Gives a session a new key. Returns its version; None: there is none, or IFVERSION is not met."""
        return await self._server.run(
            _commands.rotate(
                key,
                newkey,
                Write(user, idle, lifetime, expires_at, max_sessions, unset, fields, json),
                ifversion=ifversion,
                replace=replace,
                grace=grace,
            )
        )

    async def unset(self, key: Key, *fields: Key, ifversion: int | None = None, keepttl: bool = False) -> int | None:
        """Removes fields. Returns how many there were; None where IFVERSION is not met."""
        return await self._server.run(_commands.unset(key, fields, ifversion=ifversion, keepttl=keepttl))

    async def pop(
        self, key: Key, *fields: Key, ifversion: int | None = None, keepttl: bool = False
    ) -> list[Value | None] | None:
        """Reads fields and removes them. Never sent twice: an error may mean that the values are gone."""
        return await self._server.run(_commands.pop(key, fields, ifversion=ifversion, keepttl=keepttl))

    async def incrby(
        self, key: Key, field: Key, increment: int = 1, *, ifversion: int | None = None, keepttl: bool = False
    ) -> int | None:
        """Adds to a counter and returns it; None: there is no session. Never sent twice."""
        return await self._server.run(_commands.incrby(key, field, increment, ifversion=ifversion, keepttl=keepttl))

    async def info(self, key: Key) -> dict[str, Any] | None:
        """User, times (datetimes in UTC; idle and lifetime in seconds), version and size; None: there is no session."""
        return await self._server.run(_commands.info(key))
