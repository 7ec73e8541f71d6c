"""The servers of the tests are what they say."""

import pytest
import redis
from redis.sentinel import Sentinel as SentinelClient

from tests.servers import Cluster, Sentinel, Server


def test_counts_what_a_block_calls_and_nothing_else(server: Server) -> None:
    client = server.client()
    client.ping()
    client.set("before", "1")
    with server.counting() as calls:
        server.client().execute_command("SESSION.SET", "sess:1", "USER", "alice")
        client.execute_command("SESSION.GET", "sess:1")
        client.get("before")
    assert calls == {"session.set": 1, "session.get": 1, "get": 1}
    assert calls.total() == 3


def test_stops_and_starts_on_its_port(server: Server) -> None:
    client = server.client(retry=None, socket_timeout=1)
    port = server.port
    server.stop()
    with pytest.raises(redis.exceptions.ConnectionError):
        client.ping()
    server.start()
    assert server.port == port
    assert client.ping()


def test_a_change_is_undone_before_the_next_test(server: Server) -> None:
    server.command("SET", "left", "behind")
    server.command("CONFIG", "SET", "maxmemory", "1mb", "session.default-timeout", "5")


def test_the_next_test(server: Server) -> None:
    assert server.keys() == []
    assert server.command("CONFIG", "GET", "maxmemory") == ["maxmemory", "0"]
    assert server.command("CONFIG", "GET", "session.default-timeout")[1] == "1800"


def test_a_server_without_the_module(bare_server: Server) -> None:
    with pytest.raises(redis.exceptions.ResponseError, match="unknown command"):
        bare_server.command("SESSION.GET", "sess:1")


def test_a_cluster_serves_every_slot(cluster: Cluster) -> None:
    client = cluster.client()
    with cluster.counting() as calls:
        for n in range(30):
            client.execute_command("SESSION.SET", f"sess:{n}", "USER", "alice")
    assert calls["session.set"] >= 30  # Some were redirected where the client does not know the command's key.
    assert all(node.keys() for node in cluster.nodes)
    assert len(cluster.keys()) == 30


def test_sentinel_fails_over_with_the_data(sentinel: Sentinel) -> None:
    client = SentinelClient([sentinel.address]).master_for(sentinel.name)
    client.execute_command("SESSION.SET", "sess:1", "USER", "alice")
    before = sentinel.primary()
    after = sentinel.failover()
    assert after is not before
    assert sentinel.primary() is after
    assert after.keys() == ["sess:1"]
