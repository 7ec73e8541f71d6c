"""Fixtures that every test may ask for. The servers start when the first test wants them and end with the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import Cluster, Sentinel, Server


@pytest.fixture(scope="session")
def _server() -> Iterator[tuple[Server, dict[str, str]]]:
    server = Server("--save", "")
    yield server, server.settings()
    server.close()


@pytest.fixture
def server(_server: tuple[Server, dict[str, str]]) -> Server:
    """A server with the module, empty and with the settings of its start."""
    server, settings = _server
    server.reset(settings)
    return server


@pytest.fixture(scope="session")
def _bare_server() -> Iterator[tuple[Server, dict[str, str]]]:
    server = Server("--save", "", module=False)
    yield server, server.settings()
    server.close()


@pytest.fixture
def bare_server(_bare_server: tuple[Server, dict[str, str]]) -> Server:
    """A server without the module, empty."""
    server, settings = _bare_server
    server.reset(settings)
    return server


@pytest.fixture(scope="session")
def _cluster() -> Iterator[tuple[Cluster, dict[str, str]]]:
    cluster = Cluster()
    yield cluster, cluster.nodes[0].settings()
    cluster.close()


@pytest.fixture
def cluster(_cluster: tuple[Cluster, dict[str, str]]) -> Cluster:
    """A cluster of three primaries with the module, empty."""
    cluster, settings = _cluster
    cluster.settle()
    for node in cluster.nodes:
        node.reset(settings)
    return cluster


@pytest.fixture(scope="session")
def _sentinel() -> Iterator[tuple[Sentinel, dict[str, str]]]:
    sentinel = Sentinel()
    yield sentinel, sentinel.servers[0].settings()
    sentinel.close()


@pytest.fixture
def sentinel(_sentinel: tuple[Sentinel, dict[str, str]]) -> Sentinel:
    """A primary and its replica, both with the module, behind a Sentinel: `sentinel.primary()` says which is which."""
    sentinel, settings = _sentinel
    sentinel.settle()
    sentinel.primary().reset(settings)
    sentinel.replica().reset(settings, empty=False)  # it follows
    return sentinel


@pytest.fixture(
    params=[(2, False), (2, True), (3, False), (3, True)], ids=["resp2-bytes", "resp2-str", "resp3-bytes", "resp3-str"]
)
def client_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The ways in which a client may be made: both protocols, replies as bytes and as str."""
    protocol, decode = request.param
    return {"protocol": protocol, "decode_responses": decode}
