"""Moving in: sessions that browsers still bring in the signed cookies of Starlette's own SessionMiddleware."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from typing import Any

from .._visit import Cookie, Visit, user_or_none
from ..store import AsyncStore
from .session import Rules


class SignedCookies:
    """Reads such a cookie and writes its data on the server, once.

    Whoever keeps a copy of an old cookie can begin its session again until `max_age` is over, as with Starlette's
    middleware; take the secret key out of the configuration then.
    """

    def __init__(self, secret_key: Any, max_age: int | None, rules: Rules) -> None:
        import itsdangerous  # noqa: PLC0415 - Starlette's sessions need it, ours do not

        self._signer = itsdangerous.TimestampSigner(str(secret_key))
        self._bad = itsdangerous.BadSignature
        self._max_age = max_age
        self._rules = rules

    async def take(self, store: AsyncStore, visit: Visit) -> None:
        """Takes over the session that the cookie holds, if it holds one."""
        data = self._unsigned(visit.brought or "")
        if not data:
            return
        # Requests that come together bring the same cookie and are to find the same session.
        session_id = hashlib.sha256((visit.brought or "").encode()).hexdigest()[:32]
        found = await store.load(session_id)
        if found is None:
            user = user_or_none(data, self._rules.user)
            found = await store.create(session_id, data, user=user, idle=self._rules.idle)
        visit.found(found or await store.load(session_id))
        # While the browser logs in by another request, that one's cookie is the better.
        if visit.loaded is not None and not visit.loaded.frozen:
            visit.cookie = Cookie.SET

    def _unsigned(self, cookie: str) -> dict[str, Any]:
        try:
            data = json.loads(b64decode(self._signer.unsign(cookie.encode(), max_age=self._max_age)))
        except (self._bad, ValueError):
            return {}
        return data if isinstance(data, dict) else {}
