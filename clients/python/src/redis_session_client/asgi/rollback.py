"""Moving out: Starlette's own middleware again, which gets the sessions that are on the server."""

from __future__ import annotations

from collections.abc import Callable

from .._drive import AsyncClient
from ..store import Options
from .cookies import read_cookie
from .middleware import ASGIApp, Receive, Scope, Send
from .stores import stores


class RollBack:
    """Fills an empty session of Starlette's SessionMiddleware, which stands around it, from the server.

    The session stays on the server until it has gone unused for long enough, for requests that come together.
    """

    def __init__(
        self,
        app: ASGIApp,
        session_cookie: str = "session",
        *,
        url: str | None = None,
        client: AsyncClient | Callable[[], AsyncClient] | None = None,
        prefix: str = Options.prefix,
        hash_keys: bool = Options.hash_keys,
    ) -> None:
        """The options are those that the SessionMiddleware of this package had."""
        self.app = app
        self.session_cookie = session_cookie
        self.stores = stores(url, client, Options(prefix=prefix, hash_keys=hash_keys), None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application with the session filled."""
        session = scope.get("session")
        if session is not None and not session:
            cookie = read_cookie(scope["headers"], self.session_cookie)
            loaded = await (await self.stores.current()).load(cookie)
            if loaded is not None and not loaded.frozen:
                session.update(loaded.data())
        await self.app(scope, receive, send)
