"""A small application that keeps its sessions on the module, and browsers that visit it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.flask.site import make_site
from tests.servers import Server


@pytest.fixture
def site(server: Server) -> Callable[..., Any]:
    """Makes the application: `site(user="user_id", ...)` with arguments of SessionInterface."""

    def make(client: Any = None, **options: Any) -> Any:
        return make_site(client or server.url, **options)

    return make
