"""A connection that each thread keeps: it is quicker, and nobody notices it otherwise."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_session_client._drive import Command, SyncServer
from tests.servers import Server, wait_for

PING = Command(("PING", "hello"))


@pytest.fixture
def kept(server: Server) -> Iterator[SyncServer]:
    retry = Retry(NoBackoff(), 1, (redis.exceptions.ConnectionError,))
    client = server.client(max_connections=5000, retry=retry, client_name="kept", socket_timeout=0.5)
    kept = SyncServer(client, keep=True)
    assert kept.call(PING) == "hello"
    yield kept
    client.close()


def named(server: Server) -> list[str]:
    """The connections of these clients."""
    return [line for line in server.command("CLIENT", "LIST").splitlines() if " name=kept " in line]


def test_a_thread_keeps_its_connection(kept: SyncServer, server: Server) -> None:
    for _ in range(5):
        assert kept.call(PING) == "hello"
    assert len(named(server)) == 1
    assert kept.client.connection_pool._available_connections == []


def test_it_goes_back_when_the_thread_ends(kept: SyncServer, server: Server) -> None:
    for _ in range(10):
        thread = threading.Thread(target=kept.call, args=(PING,))
        thread.start()
        thread.join()
    assert len(named(server)) == 2


def test_threads_at_a_time_have_one_each(kept: SyncServer, server: Server) -> None:
    together = threading.Barrier(5)
    said: list[Any] = []

    def ask(n: int) -> None:
        together.wait(10)
        said.extend(kept.call(Command(("PING", f"{n}"))) for _ in range(50))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(said)) == ["0", "1", "2", "3", "4"]
    assert len(said) == 250


def test_the_server_may_close_it(kept: SyncServer, server: Server) -> None:
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert kept.call(PING) == "hello"
    server.stop()
    with pytest.raises(redis.exceptions.ConnectionError):
        kept.call(PING)
    server.start()
    assert kept.call(PING) == "hello"


def test_a_late_answer_is_not_taken_for_the_next(kept: SyncServer, server: Server) -> None:
    server.command("CLIENT", "PAUSE", 1000, "ALL")
    with pytest.raises(redis.exceptions.TimeoutError):
        kept.call(Command(("ECHO", "late")))
    server.command("CLIENT", "UNPAUSE")
    assert kept.call(PING) == "hello"


def test_an_error_of_the_server_keeps_it(kept: SyncServer, server: Server) -> None:
    with pytest.raises(redis.exceptions.ResponseError):
        kept.call(Command(("NOSUCHCOMMAND",)))
    assert kept.call(PING) == "hello"
    assert len(named(server)) == 1


def _ask(kept: SyncServer, said: Any) -> None:
    said.put([kept.call(PING) for _ in range(20)])


def test_a_fork_has_its_own(kept: SyncServer, server: Server) -> None:
    fork = multiprocessing.get_context("fork")
    said = fork.Queue()
    child = fork.Process(target=_ask, args=(kept, said))
    child.start()
    assert [kept.call(PING) for _ in range(20)] == ["hello"] * 20
    assert said.get(timeout=20) == ["hello"] * 20
    child.join(20)
    assert kept.call(PING) == "hello"
    wait_for(lambda: len(named(server)) == 1)


def test_a_small_pool_is_shared(server: Server) -> None:
    shared = SyncServer(server.client(max_connections=2), keep=True)
    for _ in range(5):
        thread = threading.Thread(target=shared.call, args=(PING,))
        thread.start()
        thread.join()
    assert shared.call(PING) == "hello"
    assert len(shared.client.connection_pool._available_connections) == 1


def test_what_must_not_be_repeated_goes_by_a_connection_that_was_looked_at(kept: SyncServer, server: Server) -> None:
    assert kept.call(Command(("PING", "once"), repeat=False)) == "once"
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert kept.call(Command(("PING", "once"), repeat=False)) == "once"
