"""The connections of a client that is made from a URL: kept, replaced when they break, never shared with a child."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import redis

from redis_session_client import Store, new_id
from redis_session_client._connect import connect
from tests.servers import Server, wait_for


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    client = connect(server.url)
    yield client
    client.close()


def own_id(client: redis.Redis) -> int:
    """The server's number of the connection that is used now."""
    return int(client.client_id())


def test_a_connection_is_used_again(client: redis.Redis) -> None:
    assert len({own_id(client) for _ in range(5)}) == 1


def test_threads_that_ask_at_the_same_time_have_one_each(server: Server, client: redis.Redis) -> None:
    store = Store(client)
    together = Barrier(8)

    def visit(_: int) -> None:
        together.wait()
        for n in range(25):
            loaded = store.create(new_id(), {"n": n})
            assert loaded is not None
            found = store.load(loaded.id)
            assert found is not None
            assert found.data() == {"n": n}

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(visit, range(8)))
    assert len(connected(server)) <= 8 + 1  # and the one that asks


def connected(server: Server) -> list[str]:
    return [line for line in server.command("CLIENT", "LIST").splitlines() if "addr=" in line]


def test_what_the_server_has_closed_is_replaced_before_a_command(server: Server, client: redis.Redis) -> None:
    store = Store(client)
    loaded = store.create(new_id(), {"a": 1})
    before = own_id(client)
    assert server.command("CLIENT", "KILL", "ID", str(before))
    # NX must not be sent twice, so redis-py's retry does not help here.
    assert store.create(new_id(), {"a": 2}) is not None
    assert own_id(client) != before
    assert loaded is not None
    assert store.load(loaded.id) is not None


def test_a_server_that_comes_back_is_found(server: Server, client: redis.Redis) -> None:
    assert client.ping()
    server.stop()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    server.start()
    wait_for(client.ping)
    assert len({own_id(client) for _ in range(3)}) == 1


def test_a_server_that_is_down_is_tried_no_more_often_than_by_redis_py(server: Server) -> None:
    def attempts(client: redis.Redis) -> int:
        made = []
        kind = client.connection_pool.connection_class

        class Counting(kind):  # type: ignore[misc, valid-type]
            def _connect(self) -> object:
                made.append(self)
                return super()._connect()

        client.connection_pool.connection_class = Counting
        server.start()
        client.ping()
        made.clear()
        server.stop()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        client.close()
        return len(made)

    server.stop()
    ours = connect(server.url)
    options = ours.connection_pool.connection_kwargs
    theirs = redis.Redis.from_url(server.url, retry=options["retry"], socket_timeout=options["socket_timeout"])
    assert attempts(ours) <= attempts(theirs)
    server.start()


def test_closed_it_opens_again(client: redis.Redis) -> None:
    before = own_id(client)
    client.close()
    assert own_id(client) != before


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_has_connections_of_its_own(client: redis.Redis) -> None:
    before = own_id(client)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str([own_id(client), own_id(client)]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        first, second = map(int, said.read().strip("[]").split(","))
    os.waitpid(child, 0)
    assert first == second != before
    assert own_id(client) == before


@pytest.mark.skipif(not hasattr(redis.Connection, "mark_for_reconnect"), reason="redis-py knows no servers that move")
def test_a_connection_that_is_to_move_is_made_anew(client: redis.Redis) -> None:
    before = own_id(client)
    pool = client.connection_pool
    connection = pool.get_connection()
    connection.mark_for_reconnect()
    pool.release(connection)
    assert own_id(client) != before
