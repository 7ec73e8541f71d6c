"""A connection for each thread.

To take a connection out of a pool and to give it back costs more than a short command: locks, and system calls that
look whether the server has closed it. A thread that keeps its own finds that out by the command itself, which the
client's retry sends again.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

# A pool with room for fewer connections than threads must have them back.
_PLENTY = 1000

_forks = 0


def _forked() -> None:
    global _forks  # noqa: PLW0603
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _Lease:
    """A connection that goes back to its pool when the thread ends."""

    def __init__(self, pool: Any, arguments: tuple[str, ...]) -> None:
        self._pool = pool
        self.connection = pool.get_connection(*arguments)
        self.forks = _forks

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # the interpreter ends, and with it what the pool is made of
            self._pool.release(self.connection)


class Leases:
    """The connections that the threads keep, of one pool."""

    def __init__(self, pool: Any, arguments: tuple[str, ...]) -> None:
        self._pool = pool
        self._arguments = arguments
        self._kept = threading.local()

    def connection(self) -> Any:
        """The calling thread's. What it had before a fork is the parent's."""
        lease: _Lease | None = getattr(self._kept, "lease", None)
        if lease is None or lease.forks != _forks:
            lease = self._kept.lease = _Lease(self._pool, self._arguments)
        return lease.connection


def has_plenty(pool: Any) -> bool:
    """Whether a pool can spare a connection for each thread."""
    return bool(getattr(pool, "max_connections", 0) >= _PLENTY)
