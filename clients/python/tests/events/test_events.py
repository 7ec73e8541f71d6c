"""Sessions that end are told, each once, and why."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel as SyncSentinel

from redis_session_client import AsyncStore, ModuleMissing, Options, Store, new_id
from redis_session_client.events import AsyncSessionEvents, listening, session_events
from tests.events.proxy import Proxy
from tests.servers import Cluster, Sentinel, Server, wait_for

PATIENCE = 15


def publish(*servers: Server, flags: str = "Egxed") -> None:
    for server in servers:
        server.command("CONFIG", "SET", "notify-keyspace-events", flags)


@pytest.fixture
async def client(server: Server, client_options: dict[str, Any]) -> AsyncIterator[redis.asyncio.Redis]:
    publish(server)
    client = redis.asyncio.Redis(port=server.port, **client_options)
    yield client
    await client.aclose()


@pytest.fixture
async def plain_client(server: Server) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis(port=server.port)
    yield client
    await client.aclose()


def begin(server: Any, *keys: str, **options: str) -> None:
    arguments = [word for name, value in options.items() for word in (name.upper(), value)]
    for key in keys:
        server.command("SESSION.SET", key, "USER", "alice", *arguments)


async def told(events: AsyncSessionEvents, count: int) -> dict[str, str]:
    """The next sessions that end, with the reasons."""
    found: dict[str, str] = {}
    for _ in range(count):
        ended = await asyncio.wait_for(events.__anext__(), PATIENCE)
        assert ended.id not in found
        found[ended.id] = ended.reason
    return found


async def test_each_reason(server: Server, client: redis.asyncio.Redis) -> None:
    begin(server, "out", "revoked", "deleted", "moved", "graceful", "named")
    begin(server, "short", PX="300")
    async with session_events(client) as events:
        await events.ready()
        for key in ("out", "revoked", "deleted", "moved", "graceful", "named", "short", "stays"):
            events.watch(key)
        begin(server, "stays")
        server.command("SESSION.DEL", "out")
        server.command("SESSION.REVOKE", "alice", "ONLY", 1, "revoked")
        server.command("DEL", "deleted")
        server.command("SESSION.ROTATE", "moved", "moved-to")
        server.command("SESSION.ROTATE", "graceful", "graceful-to", "GRACE", 10)
        server.command("RENAME", "named", "renamed")
        assert await told(events, 7) == {
            "out": "signed-out",
            "revoked": "revoked",
            "deleted": "deleted",
            "moved": "rotated",
            "graceful": "rotated",
            "named": "deleted",
            "short": "expired",
        }


async def test_evicted(server: Server, plain_client: redis.asyncio.Redis) -> None:
    publish(server)
    begin(server, "evicted")
    async with session_events(plain_client) as events:
        await events.ready()
        events.watch("evicted")
        server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        server.command("CONFIG", "SET", "maxmemory", "1")
        reason = (await told(events, 1))["evicted"]
    assert reason == "evicted"


async def test_writes_and_touches_are_no_end(server: Server, client: redis.asyncio.Redis) -> None:
    begin(server, "busy", "ends")
    async with session_events(client) as events:
        await events.ready()
        events.watch("busy")
        events.watch("ends")
        server.command("SESSION.SET", "busy", "FIELDS", 1, "a", "1")
        server.command("SESSION.TOUCH", "busy")
        server.command("SESSION.ROTATE", "ends", "new", "GRACE", 10)
        events.watch("new")
        server.command("SESSION.ADJUST", "busy", "EX", 60)
        assert await told(events, 1) == {"ends": "rotated"}
        server.command("SESSION.DEL", "busy")
        server.command("SESSION.DEL", "new")
        assert await told(events, 2) == {"busy": "signed-out", "new": "signed-out"}


async def test_what_has_ended_before_it_was_watched(server: Server, client: redis.asyncio.Redis) -> None:
    begin(server, "old")
    server.command("SESSION.ROTATE", "old", "new", "GRACE", 10)
    async with session_events(client) as events:
        events.watch("never-was")
        events.watch("old")
        assert await told(events, 2) == {"never-was": "unknown", "old": "rotated"}


async def test_watched_by_the_ids_of_a_store(server: Server, plain_client: redis.asyncio.Redis) -> None:
    publish(server)
    store = AsyncStore(plain_client, Options(prefix="shop:"))
    assert await store.create("0123456789abcdef", {}, user="alice")
    async with session_events(plain_client, store) as events:
        events.watch("0123456789abcdef")
        await events.ready()
        await store.sign_out("alice")
        ended = await asyncio.wait_for(events.__anext__(), PATIENCE)
    assert (ended.id, ended.key, ended.reason) == ("0123456789abcdef", store.key("0123456789abcdef"), "revoked")


async def test_unwatched(server: Server, plain_client: redis.asyncio.Redis) -> None:
    publish(server)
    begin(server, "one", "two")
    async with session_events(plain_client) as events:
        await events.ready()
        events.watch("one")
        events.watch("two")
        events.unwatch("one")
        server.command("SESSION.DEL", "one", "two")
        assert await told(events, 1) == {"two": "signed-out"}
        events.close()
        assert [ended async for ended in events] == []


async def test_none_is_missed_while_the_connection_is_cut(server: Server) -> None:
    publish(server)
    keys = [f"cut:{n}" for n in range(200)]
    begin(server, *keys, "rotated", "stays")
    async with Proxy(server.port) as proxy:
        client = redis.asyncio.Redis(port=proxy.port)
        async with session_events(client) as events:
            await events.ready()
            server.command("CONFIG", "RESETSTAT")
            for key in (*keys, "rotated", "stays"):
                events.watch(key)
            # All are known to be there: what ends now is missed, or told by an event.
            await asyncio.to_thread(wait_for, lambda: server.calls()["session.info"] >= 202, PATIENCE, "all questions")
            server.command("SESSION.DEL", *keys[:50])
            assert set((await told(events, 50)).values()) == {"signed-out"}
            await proxy.cut()
            server.command("SESSION.DEL", *keys[50:])
            server.command("SESSION.ROTATE", "rotated", "new", "GRACE", 60)
            await proxy.let_in()
            missed = await told(events, 151)
            assert missed == {**dict.fromkeys(keys[50:], "unknown"), "rotated": "rotated"}
            server.command("SESSION.DEL", "stays")
            assert await told(events, 1) == {"stays": "signed-out"}
        await client.aclose()


async def test_a_server_that_restarts(server: Server, plain_client: redis.asyncio.Redis) -> None:
    publish(server)
    begin(server, "lost")
    async with session_events(plain_client, interval=0.2) as events:
        await events.ready()
        events.watch("lost")
        server.stop()
        server.start()
        assert await told(events, 1) == {"lost": "unknown"}


async def test_without_events_it_says_so_once_and_asks(
    server: Server, plain_client: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    begin(server, "one", "two")
    with caplog.at_level(logging.WARNING, "redis_session_client.events"):
        async with session_events(plain_client, interval=0.1) as events:
            events.watch("one")
            events.watch("two")
            await events.ready()
            server.command("SESSION.DEL", "one")
            assert await told(events, 1) == {"one": "unknown"}
            server.command("SESSION.DEL", "two")
            assert await told(events, 1) == {"two": "unknown"}
    assert [record.getMessage() for record in caplog.records] == [
        "set notify-keyspace-events to Egxed or more: it is empty; sessions that end are found by asking every 0.1 s"
    ]


async def test_events_that_are_turned_on_later(server: Server, plain_client: redis.asyncio.Redis) -> None:
    begin(server, "one")
    async with session_events(plain_client, interval=0.1) as events:
        events.watch("one")
        await events.ready()
        publish(server, flags="AKE")
        await asyncio.sleep(0.3)
        server.command("SESSION.DEL", "one")
        assert await told(events, 1) == {"one": "signed-out"}


async def test_a_user_who_may_not_listen(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    publish(server)
    server.command("ACL", "SETUSER", "limited", "on", "nopass", "~*", "+@all", "resetchannels", "-config")
    begin(server, "one")
    client = redis.asyncio.Redis(port=server.port, username="limited", password="x")
    async with session_events(client, interval=0.1) as events:
        await events.ready()
        events.watch("one")
        server.command("SESSION.DEL", "one")
        assert await told(events, 1) == {"one": "unknown"}
    await client.aclose()
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "the server lets nobody listen" in said
    assert "whether the server publishes events cannot be seen" in said


async def test_another_database(server: Server) -> None:
    publish(server)
    client = redis.asyncio.Redis(port=server.port, db=3)
    await client.execute_command("SESSION.SET", "one", "USER", "alice")
    async with session_events(client) as events:
        events.watch("one")
        await events.ready()
        await client.execute_command("SESSION.DEL", "one")
        assert await told(events, 1) == {"one": "signed-out"}
    await client.aclose()


async def test_a_server_without_the_module(bare_server: Server) -> None:
    client = redis.asyncio.Redis(port=bare_server.port)
    async with session_events(client) as events:
        events.watch("one")
        with pytest.raises(ModuleMissing):
            await asyncio.wait_for(events.__anext__(), PATIENCE)
    await client.aclose()


async def test_every_primary_of_a_cluster(cluster: Cluster) -> None:
    publish(*cluster.nodes)
    client = redis.asyncio.RedisCluster(host="127.0.0.1", port=cluster.port)
    store = AsyncStore(client)
    ids = [f"{n:04}abcdefgh" for n in range(60)]
    for session_id in ids:
        assert await store.create(session_id, {}, user="alice")
    async with session_events(client, store) as events:
        for session_id in ids:
            events.watch(session_id)
        await events.ready()
        assert await store.sign_out("alice", keep=ids[0]) == 59
        assert await told(events, 59) == dict.fromkeys(ids[1:], "revoked")
        assert all(node.keys() == [] for node in cluster.nodes if node is not cluster.node_of(store.key(ids[0])))
    await client.aclose()


async def test_a_cluster_of_which_no_node_answers_for_a_moment(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(*cluster.nodes)
    client = redis.asyncio.RedisCluster(host="127.0.0.1", port=cluster.port)
    store = AsyncStore(client)
    session_id = new_id()
    assert await store.create(session_id, {}, user="alice")
    found, failed = listening.primaries, 0

    async def primaries(client: Any) -> Any:
        nonlocal failed
        if failed < 3:
            failed += 1
            raise redis.exceptions.RedisClusterException("Redis Cluster cannot be connected")
        return await found(client)

    monkeypatch.setattr(listening, "primaries", primaries)
    async with session_events(client, store, interval=0.2) as events:
        events.watch(session_id)
        assert await store.delete(session_id)
        assert await told(events, 1)
    assert failed
    await client.aclose()


@pytest.mark.skipif(
    redis.__version__.startswith("5."),
    reason="redis-py 5's asyncio client may know no node of a cluster any more after one was away, and stays so",
)
async def test_none_is_missed_where_a_node_of_a_cluster_restarts(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    publish(*cluster.nodes)
    client = redis.asyncio.RedisCluster(host="127.0.0.1", port=cluster.port)
    store = AsyncStore(client)
    ids = [f"{n:04}abcdefgh" for n in range(60)]
    for session_id in ids:
        assert await store.create(session_id, {}, user="alice")
    async with session_events(client, store, interval=0.2) as events:
        for session_id in ids:
            events.watch(session_id)
        await events.ready()
        node = cluster.nodes[1]  # whose data is lost with it
        lost = [session_id for session_id in ids if cluster.node_of(store.key(session_id)) is node]
        node.stop()
        await asyncio.to_thread(cluster.settle)
        assert list((await told(events, len(lost))).values()) == ["unknown"] * len(lost)
        publish(node)
        await asyncio.to_thread(wait_for, lambda: node.command("PUBSUB", "CHANNELS"), PATIENCE, "a listener")
        assert await store.create(lost[0], {}, user="alice")
        events.watch(lost[0])
        await asyncio.sleep(0.3)  # so that no question is under way
        assert await store.delete(lost[0])
        assert await told(events, 1) == {lost[0]: "signed-out"}
    await client.aclose()
    # It publishes nothing after its restart; that it cannot be reached for a moment is not worth a warning.
    assert {record.getMessage().split(" ")[0] for record in caplog.records} <= {"set"}


async def test_none_is_missed_in_a_failover(sentinel: Sentinel) -> None:
    publish(*sentinel.servers)
    manager = AsyncSentinel([sentinel.address])
    client = manager.master_for(sentinel.name)
    begin(sentinel.primary(), "before", "during", "after")
    async with session_events(client, interval=0.2) as events:
        for key in ("before", "during", "after"):
            events.watch(key)
        await events.ready()
        sentinel.primary().command("SESSION.DEL", "before")
        assert await told(events, 1) == {"before": "signed-out"}
        after = await asyncio.to_thread(sentinel.failover)
        after.command("SESSION.DEL", "during")
        assert list(await told(events, 1)) == ["during"]
        # Until the new primary is listened to, the end of a session is found by asking.
        await asyncio.to_thread(wait_for, lambda: after.command("PUBSUB", "CHANNELS"), PATIENCE, "a listener")
        after.command("SESSION.DEL", "after")
        assert list(await told(events, 1)) == ["after"]
    await client.aclose()
    await manager.sentinels[0].aclose()


# --- without asyncio ---


def test_in_threads(server: Server, client_options: dict[str, Any]) -> None:
    publish(server)
    begin(server, "one", "two", "three")
    with session_events(redis.Redis(port=server.port, **client_options)) as events:
        events.ready(PATIENCE)
        events.watch("one")
        events.watch("two")
        events.unwatch("two")
        threading.Timer(0.1, server.command, ("SESSION.DEL", "one", "two")).start()
        assert next(events).id == "one"
        threading.Timer(0.1, events.close).start()
        assert list(events) == []
    with pytest.raises(RuntimeError):
        session_events(redis.Redis(port=server.port)).watch("three")


def test_in_threads_a_cluster_and_sentinel(cluster: Cluster, sentinel: Sentinel) -> None:
    publish(*cluster.nodes, *sentinel.servers)
    for client in (cluster.client(), SyncSentinel([sentinel.address]).master_for(sentinel.name, socket_timeout=5)):
        store = Store(client)
        assert store.create("0123456789abcdef", {}, user="alice")
        with session_events(client, store) as events:
            events.ready(PATIENCE)
            events.watch("0123456789abcdef")
            store.sign_out("alice")
            assert next(events).id == "0123456789abcdef"


def test_in_threads_without_the_module(bare_server: Server) -> None:
    with session_events(redis.Redis(port=bare_server.port)) as events:
        events.watch("one")
        with pytest.raises(ModuleMissing):
            next(events)


def test_a_client_from_which_no_other_can_be_made_does_not_hang_a_thread() -> None:
    with pytest.raises(IndexError), session_events(SyncSentinel([]).master_for("nobody")):
        pass


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(TypeError, match="not 'redis://localhost'"):
        session_events("redis://localhost")  # type: ignore[call-overload]
