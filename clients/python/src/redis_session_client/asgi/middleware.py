"""The middleware: reads the session before the application runs, and writes it before the response begins."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Literal

from .._arguments import KEEP, Policy, Seconds
from .._drive import AsyncClient
from .._visit import Cookie, UserOf, Visit, device_of, seconds_of, where_of_user
from ..errors import FAILURES
from ..fields import Codec
from ..store import AsyncStore, Options
from .cookies import SessionCookie, add_cookie, add_vary, read_cookie
from .session import TOO_LATE, Rules, Session
from .signed import SignedCookies
from .stores import stores

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The messages that carry headers to the browser: a response, an accepted web socket, one that was refused.
_WITH_HEADERS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_TWO_WEEKS = 14 * 24 * 60 * 60
_LONGEST_AGENT = 300

logger = logging.getLogger("redis_session_client.asgi")


def remote_device(scope: Scope) -> dict[str, str]:
    """What is noted of a device at login: the address and the browser, as the connection tells them."""
    agents = [value for name, value in scope["headers"] if name.lower() == b"user-agent"]
    agent = agents[0].decode("latin-1") if agents else ""
    return {"ip": (scope.get("client") or ("",))[0], "agent": agent[:_LONGEST_AGENT]}


class SessionMiddleware:
    """Keeps `request.session` on a Redis or Valkey server that has the redis-session module.

    A drop-in replacement of Starlette's SessionMiddleware, whose options it takes. The cookie holds a random id, so no
    secret key is needed; given one, sessions in the signed cookies of Starlette's middleware are taken over.
    """

    def __init__(  # noqa: PLR0917 - the positions are those of Starlette's own middleware
        self,
        app: ASGIApp,
        secret_key: Any = None,
        session_cookie: str = "session",
        max_age: int | None = _TWO_WEEKS,
        path: str = "/",
        same_site: Literal["lax", "strict", "none"] = "lax",
        https_only: bool = False,  # noqa: FBT001, FBT002
        domain: str | None = None,
        partitioned: bool = False,  # noqa: FBT001, FBT002
        *,
        url: str | None = None,
        client: AsyncClient | Callable[[], AsyncClient] | None = None,
        user: UserOf = "user_id",
        idle: Seconds | None = None,
        refresh_each_request: bool = False,
        check_at_start: bool = False,
        device: Callable[[Scope], Any] | None = remote_device,
        codec: Codec | None = None,
        prefix: str = Options.prefix,
        user_prefix: str = Options.user_prefix,
        lifetime: Seconds | None = None,
        sliding: bool = Options.sliding,
        rotation_grace: float = Options.rotation_grace,
        max_sessions: int | None = None,
        on_limit: Policy = Options.on_limit,
        hash_keys: bool = Options.hash_keys,
        conflict: Literal["merge", "strict"] = Options.conflict,
    ) -> None:
        """`url`: where the server is. Or `client`: an async client of redis-py (also of a cluster, of Sentinel), or a
        function that makes one, which is called once for each event loop.

        `user`: the key under which the session keeps the user, or a function of the session. `idle`: how long a session
        may go unused; `max_age` by default, and where that is None the server's own default. `refresh_each_request`:
        whether every response sends the cookie, so that it lasts `max_age` from the last request rather than from the
        last change. `check_at_start`: whether the application does not start where the server is down or lacks the
        module. `device`: makes what is noted of a device at login, from the scope; None notes nothing. The rest are
        described at `Options`.
        """
        options = Options(
            prefix=prefix,
            user_prefix=user_prefix,
            lifetime=seconds_of("lifetime", lifetime),
            sliding=sliding,
            rotation_grace=rotation_grace,
            max_sessions=max_sessions,
            on_limit=on_limit,
            hash_keys=hash_keys,
            conflict=conflict,
        )
        self.app = app
        self.cookie = SessionCookie(session_cookie, max_age, path, same_site, https_only, domain, partitioned)
        unused = seconds_of("idle", max_age if idle is None else idle)
        self.rules = Rules(where_of_user(user), KEEP if unused is None else unused)
        self.refresh_each_request = refresh_each_request
        self.check_at_start = check_at_start
        self.device = device_of(device)
        self.stores = stores(url, client, options, codec)
        self.signed = None if secret_key is None else SignedCookies(secret_key, max_age, self.rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application with `scope["session"]`."""
        if scope["type"] == "lifespan" and self.check_at_start:
            await self._check(send)
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        session = await self._open(scope)
        scope["session"] = session

        async def send_with_cookie(message: Message) -> None:
            if message["type"] in _WITH_HEADERS:
                await self._begin_response(session, message)
            await send(message)

        try:
            await self.app(scope, receive, send_with_cookie)
        except Exception:
            if scope["type"] == "websocket":  # a connection that breaks ends like this
                await self._finish(session)
            raise
        await self._finish(session)

    async def _check(self, send: Send) -> None:
        try:
            await (await self.stores.current()).check()
        except FAILURES as error:
            await send({"type": "lifespan.startup.failed", "message": f"sessions: {error}"})
            raise

    async def _open(self, scope: Scope) -> Session:
        visit = Visit(read_cookie(scope["headers"], self.cookie.name))
        session = Session()
        session.visit, session.rules = visit, self.rules
        session.store = await self.stores.current()
        session.device = None if self.device is None else partial(self.device, scope)
        try:
            await self._read(session.store, visit)
        except FAILURES as error:
            # A page that needs no session is served all the same, and handlers of the application can see the error.
            session.error = error
        dict.update(session, visit.data)
        return session

    async def _read(self, store: AsyncStore, visit: Visit) -> None:
        visit.found(await store.load(visit.brought))
        if visit.loaded is None and self.signed is not None:
            await self.signed.take(store, visit)

    async def _begin_response(self, session: Session, message: Message) -> None:
        if session.error is not None:
            return
        if session.may_differ:
            await session.write()
        session.is_sent = True
        if session.visit.gone:
            logger.info("a session ended while a request was under way: what it wrote was dropped")
        if session.accessed and message["type"] == "http.response.start":
            add_vary(message)
        if session.visit.cookie is Cookie.DELETE:
            add_cookie(message, self.cookie.delete())
        elif self._sends_cookie(session):
            add_cookie(message, self.cookie.write(session.visit.id or ""))

    def _sends_cookie(self, session: Session) -> bool:
        visit = session.visit
        if visit.cookie is Cookie.SET:
            return True
        is_there = visit.loaded is not None and not visit.loaded.frozen and not visit.gone
        return is_there and (session.modified or self.refresh_each_request)

    async def _finish(self, session: Session) -> None:
        """Saves what has changed since the response began: in a stream, in a background task, in a web socket."""
        session.is_sent = True  # nothing can be told to the browser any more, also where there was no response
        if session.error is not None or not session.may_differ:
            return
        if session.is_too_late:
            logger.warning("not saved: %s", TOO_LATE)
        else:
            await session.write()
