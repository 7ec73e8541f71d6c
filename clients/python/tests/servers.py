"""Real servers for the tests: one alone, a cluster of three primaries, a primary with a replica behind Sentinel.

SESSION_SERVER names the server program (default redis-server), SESSION_MODULE the module (default
target/release/libredis_session.so of this repository). SESSION_PROTOCOL=2 or 3 makes every URL and client speak that
protocol. All listen on free ports of 127.0.0.1 and are ended by their own process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import redis
from redis.cluster import ClusterNode, RedisCluster

T = TypeVar("T")

TOP = Path(__file__).resolve().parents[3]
MODULE = os.environ.get("SESSION_MODULE") or str(TOP / "target/release/libredis_session.so")
PROGRAM = os.environ.get("SESSION_SERVER") or "redis-server"
PROTOCOL = os.environ.get("SESSION_PROTOCOL")

# Commands by which a client introduces itself, and our own questions: not what a request costs.
NOT_COUNTED = ("hello", "auth", "select", "client|", "ping", "info", "config|", "command", "cluster|", "sentinel|")


def wait_for(condition: Callable[[], T], timeout: float = 15.0, what: str = "a condition") -> T:
    """Asks again and again until the answer is true, and returns it; AssertionError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        with contextlib.suppress(redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            if answer := condition():
                return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return cast(int, listener.getsockname()[1])


class Calls(Counter[str]):
    """How often each command was called, by its name in lower case; `total` is their sum."""

    def total(self) -> int:
        return sum(self.values())


class Server:
    """One server process. `stop()` and `start()` keep its port; it keeps no data on disk."""

    def __init__(self, *arguments: str, module: bool = True) -> None:
        self._arguments = arguments
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: redis.Connection | None = None
        self._one_at_a_time = threading.Lock()
        self.dir = Path(tempfile.mkdtemp(prefix="redis-session-test-"))
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0" + (f"?protocol={PROTOCOL}" if PROTOCOL else "")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts it, on the port that it had before or else on a free one."""
        if self.running:
            return
        for _ in range(5):
            port = self.port or free_port()
            if self._start_on(port):
                self.port = port
                return
        raise AssertionError(f"{PROGRAM} does not start:\n{self.log()[-2000:]}")

    def _start_on(self, port: int) -> bool:
        command = [PROGRAM, *self._arguments]
        command += ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(self.dir), "--logfile", "log"]
        if self._module:
            command += ["--loadmodule", MODULE]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.dir)
        self._admin = redis.Connection(port=port, decode_responses=True, protocol=2, socket_timeout=10)
        try:
            wait_for(self._answers, 10, "the server's first answer")
        except AssertionError:
            self.stop()
            return False
        return True

    def _answers(self) -> bool:
        """Whether the server on that port is this one: another test run may have taken the port just before."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError("the server ended at once")
        return f"\r\nprocess_id:{self._process.pid}\r\n" in self.command("INFO", "server")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None
        if self._admin is not None:
            self._admin.disconnect()
            self._admin = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self) -> str:
        with contextlib.suppress(OSError):
            return (self.dir / "log").read_text(errors="replace")
        return ""

    def client(self, **options: Any) -> redis.Redis:
        """A client of its own for a test that wants to look in: replies as str unless `options` say otherwise."""
        if PROTOCOL:
            options.setdefault("protocol", int(PROTOCOL))
        return redis.Redis(port=self.port, **{"decode_responses": True, **options})

    def command(self, *arguments: str | bytes | float) -> Any:
        """As redis-cli would: the reply with strings, lists and integers, whatever the client library makes of it."""
        assert self._admin is not None, "the server is stopped"
        with self._one_at_a_time:
            try:
                self._admin.send_command(*arguments)
                return self._admin.read_response()
            except redis.exceptions.ConnectionError:
                # Sentinel closes all connections of a server that it makes a replica.
                self._admin.disconnect()
                self._admin.send_command(*arguments)
                return self._admin.read_response()

    def keys(self, pattern: str = "*") -> list[str]:
        return sorted(self.command("KEYS", pattern))

    def calls(self) -> Calls:
        """What has been called since the statistics were last reset."""
        found = Calls()
        for line in self.command("INFO", "commandstats").splitlines():
            if line.startswith("cmdstat_"):
                name, _, numbers = line.removeprefix("cmdstat_").partition(":")
                if not name.startswith(NOT_COUNTED):
                    found[name] = int(numbers.split(",")[0].removeprefix("calls="))
        return found

    @contextlib.contextmanager
    def counting(self) -> Iterator[Calls]:
        """Counts the commands of the block: `with server.counting() as calls: ...`, then calls["session.get"]."""
        self.command("CONFIG", "RESETSTAT")
        found = Calls()
        yield found
        found.update(self.calls())

    # What a test may change, and the next one must not see.
    _SETTINGS = ("session.*", "maxmemory", "maxmemory-policy", "notify-keyspace-events", "min-replicas-to-write")

    def settings(self) -> dict[str, str]:
        reply: list[str] = []
        for pattern in self._SETTINGS:
            reply += self.command("CONFIG", "GET", pattern)
        return dict(zip(reply[::2], reply[1::2], strict=True))

    def reset(self, settings: dict[str, str], *, empty: bool = True) -> None:
        """Makes it as it was at its start: running, empty, with these settings, without ACL users and pauses."""
        self.start()
        self.command("CLIENT", "UNPAUSE")
        for name, value in self.settings().items():
            if settings[name] != value:
                self.command("CONFIG", "SET", name, settings[name])
        for user in self.command("ACL", "USERS"):
            if user != "default":
                self.command("ACL", "DELUSER", user)
        if empty:
            self.command("FLUSHALL")
            self.command("SCRIPT", "FLUSH")


class Cluster:
    """Three primaries with a third of the slots each."""

    def __init__(self, module: bool = True) -> None:
        started = [self._start(module) for _ in range(3)]
        self.nodes = [node for node, _ in started]
        self._form([bus for _, bus in started])

    def _start(self, module: bool) -> tuple[Server, str]:
        """A node and the port of its bus, which somebody else may take before the node does."""
        for left in (2, 1, 0):
            bus = str(free_port())
            options = f"--cluster-enabled yes --cluster-port {bus} --cluster-node-timeout 3000".split()
            try:
                return Server("--save", "", *options, module=module), bus
            except AssertionError:
                if not left:
                    raise
        raise AssertionError("not reached")

    def _form(self, buses: list[str]) -> None:
        """Gives out the slots and introduces the nodes: a second, where `redis-cli --cluster create` takes several."""
        for n, (node, slots) in enumerate(zip(self.nodes, ((0, 5461), (5462, 10922), (10923, 16383)), strict=True)):
            node.command("CLUSTER", "ADDSLOTSRANGE", *slots)
            node.command("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        for node in self.nodes:
            for other, bus in zip(self.nodes, buses, strict=True):
                if other is not node:
                    node.command("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
        self.settle()

    def add_primary_of(self, key: str) -> None:
        """Adds a fourth primary and moves the slot of a key there."""
        new, bus = self._start(module=True)
        self.nodes[0].command("CLUSTER", "MEET", "127.0.0.1", new.port, bus)
        others, self.nodes = self.nodes, [*self.nodes, new]
        wait_for(lambda: all(str(new.port) in str(node.command("CLUSTER", "NODES")) for node in others), 30, "the node")
        wait_for(lambda: "cluster_state:ok" in new.command("CLUSTER", "INFO"), 30, "the new node's view")
        self.move(key, new)

    def move(self, key: str, new: Server) -> None:
        """Moves the slot of a key, and the key itself if it is there, to another primary."""
        slot = new.command("CLUSTER", "KEYSLOT", key)
        old = next(node for node in self.nodes if self._serves(node, slot))
        old_id, new_id = old.command("CLUSTER", "MYID"), new.command("CLUSTER", "MYID")
        new.command("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
        old.command("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
        old.command("MIGRATE", "127.0.0.1", new.port, key, 0, 5000)
        for node in (new, old, *(node for node in self.nodes if node not in (new, old))):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", new_id)

    @staticmethod
    def _serves(node: Server, slot: int) -> bool:
        own = node.command("CLUSTER", "MYID")
        return any(
            first <= slot <= last and own in primary for first, last, primary, *_ in node.command("CLUSTER", "SLOTS")
        )

    def settle(self) -> None:
        """Waits until all nodes run and know each other."""
        for node in self.nodes:
            node.start()
        wait_for(lambda: all(self._agrees(node) for node in self.nodes), 30, "the cluster")

    def _agrees(self, node: Server) -> bool:
        info = node.command("CLUSTER", "INFO")
        known = len(node.command("CLUSTER", "SLOTS"))
        return "cluster_state:ok" in info and known == len(self.nodes)

    @property
    def port(self) -> int:
        return self.nodes[0].port

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def client(self, **options: Any) -> RedisCluster:
        if PROTOCOL:
            options.setdefault("protocol", int(PROTOCOL))
        nodes = [ClusterNode("127.0.0.1", node.port) for node in self.nodes]
        return RedisCluster(startup_nodes=nodes, **{"decode_responses": True, **options})

    def node_of(self, key: str) -> Server:
        slot = self.nodes[0].command("CLUSTER", "KEYSLOT", key)
        return self.nodes[0 if slot <= 5461 else 1 if slot <= 10922 else 2]

    def keys(self, pattern: str = "*") -> list[str]:
        return sorted(key for node in self.nodes for key in node.keys(pattern))

    @contextlib.contextmanager
    def counting(self) -> Iterator[Calls]:
        """As `Server.counting`, of all nodes together."""
        found = Calls()
        with contextlib.ExitStack() as stack:
            counts = [stack.enter_context(node.counting()) for node in self.nodes]
            yield found
        for count in counts:
            found.update(count)

    def close(self) -> None:
        for node in self.nodes:
            node.close()


class Sentinel:
    """A primary, its replica, and one Sentinel that watches them under the name `name`."""

    name = "sessions"

    def __init__(self, module: bool = True) -> None:
        options = ("--save", "", "--repl-diskless-sync-delay", "0")
        first = Server(*options, module=module)
        second = Server(*options, "--replicaof", f"127.0.0.1 {first.port}", module=module)
        self.servers = [first, second]
        wait_for(lambda: "master_link_status:up" in second.command("INFO", "replication"), 20, "the replica")
        self.watcher = Server(*self._watcher_arguments(first.port), module=False)
        # Sentinel looks around every ten seconds, and converts an old primary after eight more: too long for a test.
        self.watcher.command("SENTINEL", "DEBUG", "info-period", 300, "publish-period", 100, "ask-period", 200)
        # On a busy machine it would believe that the clock has jumped, and do nothing for half a minute.
        self.watcher.command("SENTINEL", "DEBUG", "tilt-trigger", 20000, "tilt-period", 1000)
        wait_for(lambda: self._watcher("REPLICAS"), 20, "Sentinel to see the replica")

    def _watcher_arguments(self, port: int) -> tuple[str, ...]:
        configuration = Path(tempfile.mkdtemp(prefix="redis-session-test-")) / "sentinel.conf"
        configuration.write_text(
            f"sentinel monitor {self.name} 127.0.0.1 {port} 1\n"
            f"sentinel down-after-milliseconds {self.name} 1000\n"
            # Twice this long after a failover begins no other.
            f"sentinel failover-timeout {self.name} 4000\n"
        )
        self._configuration = configuration
        return (str(configuration), "--sentinel")

    def _watcher(self, question: str) -> Any:
        return self.watcher.command("SENTINEL", question, self.name)

    @property
    def address(self) -> tuple[str, int]:
        """Where the Sentinel itself listens: redis.sentinel.Sentinel([sentinel.address])."""
        return "127.0.0.1", self.watcher.port

    def primary(self) -> Server:
        """The server that Sentinel says is the primary."""
        port = int(self._watcher("GET-MASTER-ADDR-BY-NAME")[1])
        return next(server for server in self.servers if server.port == port)

    def replica(self) -> Server:
        """The other one."""
        primary = self.primary()
        return next(server for server in self.servers if server is not primary)

    def settle(self) -> None:
        """Waits until both run, one follows the other, and has all that it has."""
        for server in self.servers:
            server.start()
        wait_for(self._is_settled, 60, "primary and replica")

    def _is_settled(self) -> bool:
        primary = self.primary()
        link = self.replica().command("INFO", "replication")
        return (
            primary.command("ROLE")[0] == "master" and "master_link_status:up" in link and self._synchronised(primary)
        )

    def failover(self) -> Server:
        """Makes the replica the primary, waits until that is done, and returns the new primary."""
        self.settle()
        before = self.primary()
        other = self.replica()
        wait_for(self._begin_failover, 30, "Sentinel's readiness for a failover")
        wait_for(lambda: self.primary() is other, 30, "Sentinel to name the new primary")
        wait_for(lambda: other.command("ROLE")[0] == "master", 30, "the new primary")
        wait_for(lambda: before.command("ROLE")[0] == "slave", 30, "the old primary to follow")
        return other

    def _begin_failover(self) -> bool:
        with contextlib.suppress(redis.exceptions.ResponseError):  # -INPROG, -NOGOODSLAVE: not yet
            self._watcher("FAILOVER")
            return True
        return False

    def _synchronised(self, primary: Server) -> bool:
        _, offset, replicas = primary.command("ROLE")
        return bool(replicas) and int(replicas[0][2]) >= int(offset)

    def close(self) -> None:
        self.watcher.close()
        shutil.rmtree(self._configuration.parent, ignore_errors=True)
        for server in self.servers:
            server.close()
