"""How commands reach the server. An operation is a generator of commands, which a sync or an async driver runs.

So what an operation does is written once. The drivers know the clients: where a command goes in a cluster, and how one
is sent that must not be sent twice.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple, TypeAlias, TypeVar

import redis
import redis.asyncio
from redis.exceptions import ClusterDownError, MovedError, ResponseError

from ._arguments import Argument, Key
from .errors import translated

T = TypeVar("T")

SyncClient: TypeAlias = "redis.Redis | redis.RedisCluster"
AsyncClient: TypeAlias = "redis.asyncio.Redis | redis.asyncio.RedisCluster"


class Command(NamedTuple):
    """A command, and how it is to be sent."""

    args: tuple[Argument, ...]
    #: The key that says where it goes in a cluster, where that is not for redis-py to see.
    key: Key | None = None
    #: False: it must not be carried out twice, so the client's own retry is not for it.
    repeat: bool = True
    #: Ask every primary of a cluster. The reply is a list then, with one element elsewhere.
    everywhere: bool = False


Steps: TypeAlias = Generator[Command, Any, T]

# A node that is no primary any more, or gone: ask the primaries that there are now.
_MOVED_ON = (MovedError, ClusterDownError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
_ROUNDS = 3


class SyncServer:
    """Runs operations with a `redis.Redis` (also one of a Sentinel) or a `redis.RedisCluster`."""

    def __init__(self, client: SyncClient) -> None:
        self.client: Any = client
        self.is_cluster = isinstance(client, redis.RedisCluster)
        self._is_plain = _is_plain(client, redis.Redis)
        self._for_pool = () if self.is_cluster else _for_pool(client)

    def run(self, steps: Steps[T]) -> T:
        """Runs an operation. Errors of the server are raised inside it, where it may catch them."""
        try:
            command = next(steps)
            while True:
                try:
                    reply = self.call(command)
                except Exception as error:
                    command = steps.throw(error)
                else:
                    command = steps.send(reply)
        except StopIteration as done:
            result: T = done.value
            return result

    def call(self, command: Command) -> Any:
        try:
            if command.everywhere:
                return self._everywhere(command.args)
            if self.is_cluster and (command.key is not None or not command.repeat):
                return self.client.execute_command(*command.args, target_nodes=_node(self.client, command))
            if command.repeat and not self._is_plain:
                return self.client.execute_command(*command.args)
            return self._directly(command)
        except ResponseError as error:
            raise translated(error, command.args) or error from error

    def _everywhere(self, args: tuple[Argument, ...]) -> list[Any]:
        if not self.is_cluster:
            return [self.client.execute_command(*args)]
        for left in reversed(range(_ROUNDS)):
            try:
                known = self.client.get_primaries()
                slots = self.client.execute_command("CLUSTER SLOTS", target_nodes=known[0])
                if not _are_all(known, slots, self.client.nodes_manager):
                    self.client.nodes_manager.initialize()
                nodes = self.client.get_primaries()
                return [self.client.execute_command(*args, target_nodes=node) for node in nodes]
            except _MOVED_ON:
                if left == 0:
                    raise
                self.client.nodes_manager.initialize()
        raise AssertionError("not reached")

    def _directly(self, command: Command) -> Any:
        """Sends a command on a connection of the client's pool, with the client's retry unless it must not be repeated.

        It does what execute_command does, without the measurements around it, which are a quarter of a command's cost.
        """
        pool = self.client.connection_pool
        connection = pool.get_connection(*self._for_pool)

        def once() -> Any:
            connection.send_command(*command.args)
            return connection.read_response()

        try:
            if command.repeat:
                return connection.retry.call_with_retry(once, lambda _: connection.disconnect())
            return once()
        except ResponseError:
            raise
        except BaseException:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)


class AsyncServer:
    """Runs operations with a `redis.asyncio.Redis` (also one of a Sentinel) or a `redis.asyncio.RedisCluster`."""

    def __init__(self, client: AsyncClient) -> None:
        self.client: Any = client
        self.is_cluster = isinstance(client, redis.asyncio.RedisCluster)
        self._is_plain = _is_plain(client, redis.asyncio.Redis)
        self._for_pool = () if self.is_cluster else _for_pool(client)

    async def run(self, steps: Steps[T]) -> T:
        """Runs an operation. Errors of the server are raised inside it, where it may catch them."""
        try:
            command = next(steps)
            while True:
                try:
                    reply = await self.call(command)
                except Exception as error:
                    command = steps.throw(error)
                else:
                    command = steps.send(reply)
        except StopIteration as done:
            result: T = done.value
            return result

    async def call(self, command: Command) -> Any:
        try:
            if self.is_cluster:
                # Commands that come together before it is done would close each other's connections (redis-py 8).
                await self.client.initialize()
            if command.everywhere:
                return await self._everywhere(command.args)
            if self.is_cluster and (command.key is not None or not command.repeat):
                return await self.client.execute_command(*command.args, target_nodes=_node(self.client, command))
            if command.repeat and not self._is_plain:
                return await self.client.execute_command(*command.args)
            return await self._directly(command)
        except ResponseError as error:
            raise translated(error, command.args) or error from error

    async def _everywhere(self, args: tuple[Argument, ...]) -> list[Any]:
        if not self.is_cluster:
            return [await self.client.execute_command(*args)]
        for left in reversed(range(_ROUNDS)):
            try:
                known = self.client.get_primaries()
                slots = await self.client.execute_command("CLUSTER SLOTS", target_nodes=known[0])
                if not _are_all(known, slots, self.client.nodes_manager):
                    await self.client.nodes_manager.initialize()
                nodes = self.client.get_primaries()
                return [await self.client.execute_command(*args, target_nodes=node) for node in nodes]
            except _MOVED_ON:
                if left == 0:
                    raise
                await self.client.nodes_manager.initialize()
        raise AssertionError("not reached")

    async def _directly(self, command: Command) -> Any:
        """See SyncServer."""
        pool = self.client.connection_pool
        connection = await pool.get_connection(*self._for_pool)

        async def once() -> Any:
            await connection.send_command(*command.args)
            return await connection.read_response()

        try:
            if command.repeat:
                return await connection.retry.call_with_retry(once, lambda _: connection.disconnect())
            return await once()
        except ResponseError:
            raise
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)


def _node(client: Any, command: Command) -> Any:
    """Where a command goes in a cluster. Where that is given, redis-py follows redirections and does not repeat."""
    return client.get_primaries()[0] if command.key is None else client.get_node_from_key(command.key)


def _are_all(known: list[Any], slots: Any, manager: Any) -> bool:
    """Tells whether these are all primaries that serve slots.

    A client learns of a new one when a command with a key is redirected there. Those without a key are not, and would
    leave it out without a word.
    """
    # Where a node does not tell its host, it is that of the one which was asked; and a client may have others for them.
    serving = {manager.remap_host_port(host or known[0].host, port) for host, port in _primaries(slots)}
    return serving <= {(node.host, node.port) for node in known}


def _primaries(slots: Any) -> Iterator[tuple[str, int]]:
    for nodes in slots.values():
        host, port = nodes["primary"][:2]
        yield host, port


def _is_plain(client: Any, kind: type) -> bool:
    """Tells whether execute_command is redis-py's own. One of a subclass, or one that is traced, is called always."""
    own = inspect.getattr_static(type(client), "execute_command", None)
    theirs = inspect.getattr_static(kind, "execute_command")
    traced = not inspect.isfunction(theirs) or not theirs.__module__.startswith("redis.")
    return own is theirs and not traced and getattr(client, "connection", None) is None


def _for_pool(client: Any) -> tuple[str, ...]:
    """What a pool's get_connection wants to know: a command's name, before redis-py 5.3."""
    parameter = inspect.signature(client.connection_pool.get_connection).parameters.get("command_name")
    return ("SESSION",) if parameter is not None and parameter.default is inspect.Parameter.empty else ()
