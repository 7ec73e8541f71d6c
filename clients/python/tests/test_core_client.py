"""`Sessions` and `AsyncSessions`: the module's commands with Python types."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_session_client import AsyncSessions, ModuleMissing, SessionGone, SessionLimit, Sessions
from tests.servers import Cluster, Server


class Synchronous:
    """`AsyncSessions` that are called like `Sessions`."""

    def __init__(self, make: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._sessions = AsyncSessions(self._loop.run_until_complete(self._made(make)))

    async def _made(self, make: Any) -> Any:
        return make()

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self._loop.run_until_complete(getattr(self._sessions, name)(*args, **kwargs))

    def close(self) -> None:
        self._loop.run_until_complete(self._sessions.client.aclose())
        self._loop.close()


@pytest.fixture(params=["sync", "async"])
def sessions(request: pytest.FixtureRequest, server: Server, client_options: dict[str, Any]) -> Iterator[Any]:
    if request.param == "sync":
        yield Sessions(server.client(**client_options))
        return
    made = Synchronous(lambda: redis.asyncio.Redis.from_url(server.url, **client_options))
    yield made
    made.close()


def plain(value: Any) -> Any:
    """Strings, however the client decodes."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {plain(name): plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def test_set_and_get(sessions: Any) -> None:
    assert sessions.set("s:1", xx=True) is None
    assert sessions.set("s:1", nx=True, user="alice", fields={"a": "1", "b": 2}, json={"c": [1, None]}) == 1
    assert sessions.set("s:1", nx=True) is None
    assert sessions.set("s:1", ifversion=1, unset=["b"], json='{"d":"x"}') == 2
    assert plain(sessions.get("s:1")) == {"a": "1", "c": "[1,null]", "d": "x"}
    assert plain(sessions.getex("s:1", ["d", "nosuch"])) == ["x", None]
    assert sessions.get_json("s:1") == {"a": "1", "c": [1, None], "d": "x"}
    assert sessions.getex_json("s:1", ["c"], idle=timedelta(minutes=1)) == {"c": [1, None]}
    assert sessions.info("s:1")["idle"] == 60
    assert sessions.set("s:1", replace=True, user=None, keepttl=True, fields={b"\xff": b"\xfe"}) == 3
    assert sessions.info("s:1")["user"] is None
    for read in (sessions.get, sessions.getex, sessions.get_json, sessions.info):
        assert read("s:none") is None


def test_new(sessions: Any) -> None:
    key = sessions.new("sess:", user="alice", lifetime=60, max_sessions=(1, "reject"), json={"a": 1})
    assert key.startswith("sess:")
    assert sessions.get_json(key) == {"a": 1}
    with pytest.raises(SessionLimit):
        sessions.new("sess:", user="alice", max_sessions=(1, "reject"))


def test_times(sessions: Any) -> None:
    end = datetime(2040, 1, 1, tzinfo=timezone.utc)
    sessions.set("s:1", idle=None, expires_at=end)
    info = sessions.info("s:1")
    assert (info["idle"], info["end"], info["lifetime"], info["grace"]) == (None, end, None, None)
    assert abs(info["created"] - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert sessions.adjust("s:1", idle=5, lifetime=50)
    assert sessions.info("s:1")["lifetime"] == 50
    assert not sessions.adjust("s:none", idle=5)
    with pytest.raises(ValueError, match="a time"):
        sessions.adjust("s:1")
    assert sessions.touch("s:1", "s:none") == 1


def test_a_users_sessions(sessions: Any) -> None:
    for key in ("s:1", "s:2", "s:3"):
        sessions.set(key, user="alice", fields={"agent": key, "other": "x"})
    assert sorted(map(plain, sessions.byuser("alice"))) == ["s:1", "s:2", "s:3"]
    assert len(sessions.byuser("alice", limit=(1, 1))) == 1
    rows = sessions.byuser_info("alice", ["agent"])
    assert all(plain(row["data"]) == {"agent": plain(row["key"])} for row in rows)
    assert all(row["idle"] == 1800 and row["accessed"] <= datetime.now(timezone.utc) for row in rows)
    assert sessions.count("alice") == 3
    assert sessions.revoke("alice", only=["s:1", "s:none"]) == 1
    assert sessions.revoke("alice", keep=["s:2"]) == 1
    with pytest.raises(ValueError, match="not both"):
        sessions.revoke("alice", keep=["s:2"], only=["s:2"])
    assert sessions.revoke("alice") == 1
    assert sessions.byuser("alice") == []


def test_rotate_and_delete(sessions: Any) -> None:
    sessions.set("s:1", fields={"a": "1"})
    assert sessions.rotate("s:1", "s:2", user="alice", json={"b": 2}, grace=10) == 2
    assert sessions.rotate("s:1", "s:2", user="alice", json={"b": 2}, grace=10) == 2
    with pytest.raises(SessionGone):
        sessions.set("s:1", xx=True, fields={"a": "2"})
    assert sessions.rotate("s:2", "s:3", ifversion=1) is None
    assert sessions.rotate("s:2", "s:3", replace=True, fields={"c": "3"}) == 3
    assert sessions.get_json("s:3") == {"c": "3"}
    assert sessions.rotate("s:none", "s:4") is None
    assert sessions.delete("s:3", "s:none") == 1


def test_single_fields(sessions: Any) -> None:
    sessions.set("s:1", fields={"a": "1", "b": "2", "c": "3"})
    assert sessions.unset("s:1", "a", "nosuch") == 1
    assert sessions.unset("s:1", "b", ifversion=1) is None
    assert plain(sessions.pop("s:1", "b", "a", keepttl=True)) == ["2", None]
    assert sessions.pop("s:none", "a") is None
    assert sessions.incrby("s:1", "n") == 1
    assert sessions.incrby("s:1", "n", -5, ifversion=4) == -4
    assert sessions.incrby("s:1", "n", ifversion=1) is None
    assert sessions.incrby("s:none", "n") is None


class Losing(redis.Connection):
    """A connection that breaks once, after a command was carried out and before its reply is read."""

    lost = 0

    def send_command(self, *args: Any, **kwargs: Any) -> None:
        super().send_command(*args, **kwargs)
        if str(args[0]).startswith("SESSION.") and not Losing.lost:
            Losing.lost += 1
            super().read_response()
            raise redis.exceptions.ConnectionError("lost")


@pytest.mark.parametrize(
    ("call", "repeated"),
    [
        (lambda s: s.pop("s:1", "a"), False),
        (lambda s: s.incrby("s:1", "n"), False),
        (lambda s: s.new("s:"), False),
        (lambda s: s.rotate("s:1", "s:2"), False),
        (lambda s: s.set("s:1", ifversion=1, fields={"a": "2"}), False),
        (lambda s: s.set("s:3", nx=True), False),
        (lambda s: s.rotate("s:1", "s:2", grace=5), True),
        (lambda s: s.set("s:1", xx=True, fields={"a": "2"}), True),
        (lambda s: s.unset("s:1", "a"), True),
        (lambda s: s.touch("s:1"), True),
    ],
    ids=["pop", "incrby", "new", "rotate", "cas", "nx", "rotate-grace", "set-xx", "unset", "touch"],
)
def test_what_must_not_be_sent_twice_is_not(server: Server, call: Any, repeated: bool) -> None:
    server.command("SESSION.SET", "s:1", "FIELDS", 2, "a", "1", "n", 5)
    pool = redis.ConnectionPool(connection_class=Losing, host="127.0.0.1", port=server.port)
    client = redis.Redis(connection_pool=pool)
    client.set_retry(redis.retry.Retry(redis.backoff.NoBackoff(), 3))
    Losing.lost = 0
    with server.counting() as calls:
        if repeated:
            call(Sessions(client))
        else:
            with pytest.raises(redis.exceptions.ConnectionError):
                call(Sessions(client))
    assert Losing.lost == 1
    assert calls.total() == (2 if repeated else 1)
    # The client goes on.
    assert Sessions(client).touch("s:1", "s:2") >= 1


def test_without_the_module(bare_server: Server) -> None:
    with pytest.raises(ModuleMissing):
        Sessions(bare_server.client()).set("s:1")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_in_a_cluster(cluster: Cluster, kind: str) -> None:
    sessions: Any = (
        Sessions(cluster.client())
        if kind == "sync"
        else Synchronous(lambda: redis.asyncio.RedisCluster(host="127.0.0.1", port=cluster.port))
    )
    keys = [sessions.new("s:", user="alice") for _ in range(3)]
    keys += [f"s:{n}" for n in range(9)]
    for key in keys[3:]:
        sessions.set(key, user="alice", fields={"a": "1"})
        assert plain(sessions.pop(key, "a")) == ["1"]
        assert sessions.incrby(key, "n") == 1
        assert sessions.set(key, ifversion=3, fields={"a": "2"}) == 4
    assert sessions.count("alice") == 12
    assert sorted(map(plain, sessions.byuser("alice"))) == sorted(keys)
    rows = sessions.byuser_info("alice", ["n"])
    assert [row["accessed"] for row in rows] == sorted((row["accessed"] for row in rows), reverse=True)
    assert sessions.rotate("s:1", "{s:1}:new") == 5
    assert sessions.revoke("alice", keep=["{s:1}:new"]) == 11
    assert sessions.revoke("alice") == 1
