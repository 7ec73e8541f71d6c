"""Sessions by their ids, as web frameworks keep them: what the adapters stand on.

`Store` and `AsyncStore` have the same methods; what these do stands in `_operations.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._arguments import KEEP, Timeout, Until, User, Whose
from ._drive import AsyncClient, AsyncServer, SyncClient, SyncServer
from ._models import Change, Details, Device, Loaded, Options
from ._operations import DEVICE, Operations
from .fields import Codec
from .keys import handle, new_id

__all__ = ["DEVICE", "AsyncStore", "Device", "Loaded", "Options", "Store"]


class Store:
    """Sessions by their ids, on a `redis.Redis` or `redis.RedisCluster`.

    `details`: whether `load` also asks when a session began, for its idle timeout and its end. "idle": for the timeout.
    """

    def __init__(
        self,
        client: SyncClient,
        options: Options | None = None,
        codec: Codec | None = None,
        *,
        details: Details = True,
    ) -> None:
        self.client = client
        self.options = options or Options()
        self.codec = codec or Codec()
        self._server = SyncServer(client)
        self._operations = Operations(self.options, self.codec, is_cluster=self._server.is_cluster, details=details)

    def key(self, session_id: str) -> str:
        """The server's key of the session with this id."""
        return self._operations.keys.key(session_id)

    def handle(self, session_id: str) -> str:
        """What stands for the session with this id in a page."""
        return handle(self.key(session_id))

    def load(self, session_id: str | None) -> Loaded | None:
        """Reads a session, and keeps it alive unless `sliding` is off. One command. None: there is none (any more)."""
        return self._server.run(self._operations.load(session_id))

    def create(
        self,
        session_id: str,
        data: Mapping[Any, Any],
        *,
        user: User | None = None,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
    ) -> Loaded | None:
        """Begins a session. One command. None: the id is taken.

        Raises SessionLimit, SessionTooLarge.
        """
        return self._server.run(self._operations.create(session_id, data, Change(user, idle, lifetime, expires_at)))

    def save(
        self,
        loaded: Loaded,
        data: Mapping[Any, Any] | None = None,
        *,
        user: Whose = KEEP,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        replace: bool = False,
        touch: bool = False,
    ) -> Loaded | None:
        """Writes what is different from what was read, and the user and times if given. At most one command.

        None: the session ended meanwhile, or this is a snapshot; nothing was written, and nothing comes back. Where
        nothing differs nothing is sent, unless `touch` keeps it alive. `replace` drops what others have written.
        Raises SessionConflict (`conflict="strict"`), SessionLimit, SessionTooLarge.
        """
        return self._server.run(
            self._operations.save(loaded, data, Change(user, idle, lifetime, expires_at, replace), touch=touch)
        )

    def rotate(
        self,
        loaded: Loaded,
        data: Mapping[Any, Any] | None = None,
        *,
        new: str | None = None,
        user: Whose = KEEP,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        replace: bool = False,
    ) -> Loaded | None:
        """Gives a session a new id, and its user and data in the same step: for a login. One command.

        None: it ended meanwhile, or another request has rotated it. Who has just shown who they are gets a new session
        then, by `create`. `replace` leaves the former user's data behind. Raises SessionLimit, SessionTooLarge.
        """
        return self._server.run(
            self._operations.rotate(
                loaded, data, new or new_id(loaded.id), Change(user, idle, lifetime, expires_at, replace)
            )
        )

    def delete(self, session_id: str | None) -> bool:
        """Ends a session. Tells whether there was one."""
        return self._server.run(self._operations.delete(session_id))

    def end(self, loaded: Loaded, *, unless_written: bool = False) -> bool:
        """Ends a session that was read, unless it got another id meanwhile: `delete` would end its snapshot then.

        Tells whether it did. `unless_written`: not where somebody has written to it, either (this wants `details`, or
        `conflict="strict"`).
        """
        return self._server.run(self._operations.end(loaded, unless_written=unless_written))

    def exists(self, session_id: str | None) -> bool:
        """Tells whether there is a live session; a snapshot is none."""
        return self._server.run(self._operations.exists(session_id))

    def touch(self, session_id: str | None) -> bool:
        """Keeps a session alive. Tells whether there is one."""
        return self._server.run(self._operations.touch(session_id))

    def adjust(
        self, session_id: str, *, idle: Timeout = KEEP, lifetime: Timeout = KEEP, expires_at: Until = KEEP
    ) -> bool:
        """Changes the times of a session for good. Tells whether there is one."""
        return self._server.run(self._operations.adjust(session_id, Change(KEEP, idle, lifetime, expires_at)))

    def devices(self, user: User, current: str | None = None) -> list[Device]:
        """A user's sessions, latest access first. `current` is the id of the session that asks."""
        return self._server.run(self._operations.devices(user, current))

    def count(self, user: User) -> int:
        """How many live sessions a user has."""
        return self._server.run(self._operations.count(user))

    def sign_out(self, user: User, keep: str | None = None) -> int:
        """Ends all sessions of a user, but that of the id `keep`. Tells how many ended."""
        return self._server.run(self._operations.sign_out(user, keep))

    def sign_out_device(self, user: User, handle: str) -> bool:
        """Ends one session of a user, by its handle. Nobody else's ends, whatever the handle is."""
        return self._server.run(self._operations.sign_out_device(user, handle))

    def check(self) -> None:
        """Asks the server whether it can hold sessions. Raises ModuleMissing, or what redis-py raises, where not."""
        return self._server.run(self._operations.check())


class AsyncStore:
    """Sessions by their ids, on a `redis.asyncio.Redis` or `redis.asyncio.RedisCluster`. See `Store`."""

    def __init__(
        self,
        client: AsyncClient,
        options: Options | None = None,
        codec: Codec | None = None,
        *,
        details: Details = True,
    ) -> None:
        self.client = client
        self.options = options or Options()
        self.codec = codec or Codec()
        self._server = AsyncServer(client)
        self._operations = Operations(self.options, self.codec, is_cluster=self._server.is_cluster, details=details)

    def key(self, session_id: str) -> str:
        """The server's key of the session with this id."""
        return self._operations.keys.key(session_id)

    def handle(self, session_id: str) -> str:
        """What stands for the session with this id in a page."""
        return handle(self.key(session_id))

    async def load(self, session_id: str | None) -> Loaded | None:
        """Reads a session, and keeps it alive unless `sliding` is off. One command. None: there is none (any more)."""
        return await self._server.run(self._operations.load(session_id))

    async def create(
        self,
        session_id: str,
        data: Mapping[Any, Any],
        *,
        user: User | None = None,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
    ) -> Loaded | None:
        """Begins a session. One command. None: the id is taken."""
        return await self._server.run(
            self._operations.create(session_id, data, Change(user, idle, lifetime, expires_at))
        )

    async def save(
        self,
        loaded: Loaded,
        data: Mapping[Any, Any] | None = None,
        *,
        user: Whose = KEEP,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        replace: bool = False,
        touch: bool = False,
    ) -> Loaded | None:
        """Writes what is different from what was read, and the user and times if given. At most one command."""
        return await self._server.run(
            self._operations.save(loaded, data, Change(user, idle, lifetime, expires_at, replace), touch=touch)
        )

    async def rotate(
        self,
        loaded: Loaded,
        data: Mapping[Any, Any] | None = None,
        *,
        new: str | None = None,
        user: Whose = KEEP,
        idle: Timeout = KEEP,
        lifetime: Timeout = KEEP,
        expires_at: Until = KEEP,
        replace: bool = False,
    ) -> Loaded | None:
        """Gives a session a new id, and its user and data in the same step: for a login. One command."""
        return await self._server.run(
            self._operations.rotate(
                loaded, data, new or new_id(loaded.id), Change(user, idle, lifetime, expires_at, replace)
            )
        )

    async def delete(self, session_id: str | None) -> bool:
        """Ends a session. Tells whether there was one."""
        return await self._server.run(self._operations.delete(session_id))

    async def end(self, loaded: Loaded, *, unless_written: bool = False) -> bool:
        """Ends a session that was read, unless it got another id meanwhile."""
        return await self._server.run(self._operations.end(loaded, unless_written=unless_written))

    async def exists(self, session_id: str | None) -> bool:
        """Tells whether there is a live session; a snapshot is none."""
        return await self._server.run(self._operations.exists(session_id))

    async def touch(self, session_id: str | None) -> bool:
        """Keeps a session alive. Tells whether there is one."""
        return await self._server.run(self._operations.touch(session_id))

    async def adjust(
        self, session_id: str, *, idle: Timeout = KEEP, lifetime: Timeout = KEEP, expires_at: Until = KEEP
    ) -> bool:
        """Changes the times of a session for good. Tells whether there is one."""
        return await self._server.run(self._operations.adjust(session_id, Change(KEEP, idle, lifetime, expires_at)))

    async def devices(self, user: User, current: str | None = None) -> list[Device]:
        """A user's sessions, latest access first. `current` is the id of the session that asks."""
        return await self._server.run(self._operations.devices(user, current))

    async def count(self, user: User) -> int:
        """How many live sessions a user has."""
        return await self._server.run(self._operations.count(user))

    async def sign_out(self, user: User, keep: str | None = None) -> int:
        """Ends all sessions of a user, but that of the id `keep`. Tells how many ended."""
        return await self._server.run(self._operations.sign_out(user, keep))

    async def sign_out_device(self, user: User, handle: str) -> bool:
        """Ends one session of a user, by its handle. Nobody else's ends, whatever the handle is."""
        return await self._server.run(self._operations.sign_out_device(user, handle))

    async def check(self) -> None:
        """Asks the server whether it can hold sessions. Raises ModuleMissing, or what redis-py raises, where not."""
        return await self._server.run(self._operations.check())
