"""A small application that keeps its sessions on the module, and browsers that visit it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import Server

pytest.importorskip("starlette")


@pytest.fixture
def site(server: Server) -> Callable[..., Any]:
    """Makes the application: `site(user="who", ...)` with arguments of SessionMiddleware."""
    from tests.asgi.site import make_site

    def make(**options: Any) -> Any:
        if "client" not in options:
            options.setdefault("url", server.url)
        return make_site(**options)

    return make
