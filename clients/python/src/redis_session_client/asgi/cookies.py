"""The cookie: read from a request, written into a response."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

Headers = list[tuple[bytes, bytes]]

_ENDED = "null; path={path}; expires=Thu, 01 Jan 1970 00:00:00 GMT; "


@dataclass(frozen=True)
class SessionCookie:
    """The name and the attributes of the session's cookie, as Starlette's SessionMiddleware takes and writes them."""

    name: str
    max_age: int | None
    path: str
    same_site: Literal["lax", "strict", "none"]
    https_only: bool
    domain: str | None
    partitioned: bool

    def write(self, session_id: str) -> str:
        """The header that gives the browser this id."""
        age = "" if self.max_age is None else f"Max-Age={self.max_age}; "
        return f"{self.name}={session_id}; path={self.path}; {age}{self._flags()}"

    def delete(self) -> str:
        """The header that makes the browser forget it."""
        return f"{self.name}={_ENDED.format(path=self.path)}{self._flags()}"

    def _flags(self) -> str:
        flags = ["httponly", f"samesite={self.same_site}"]
        if self.https_only:
            flags.append("secure")
        if self.domain is not None:
            flags.append(f"domain={self.domain}")
        if self.partitioned:
            flags.append("partitioned")
        return "; ".join(flags)


def read_cookie(headers: Iterable[tuple[bytes, bytes]], wanted: str) -> str | None:
    """The cookie that the browser sent, or None. Of two with this name the last counts, as in Starlette."""
    found = None
    for header, value in headers:
        if header.lower() != b"cookie":
            continue
        for part in value.decode("latin-1").split(";"):
            name, _, content = part.partition("=")
            if name.strip() == wanted:
                found = content.strip().strip('"')
    return found


def add_cookie(message: MutableMapping[str, Any], cookie: str) -> None:
    """Adds a Set-Cookie header to the message that begins a response."""
    message["headers"] = [*message.get("headers", ()), (b"set-cookie", cookie.encode("latin-1"))]


def add_vary(message: MutableMapping[str, Any]) -> None:
    """Tells caches that the response depends on the cookie."""
    headers: Headers = list(message.get("headers", ()))
    for position, (name, value) in enumerate(headers):
        if name.lower() == b"vary":
            words = [word.strip().lower() for word in value.split(b",")]
            if b"*" not in words and b"cookie" not in words:
                headers[position] = (name, value + b", Cookie")
            break
    else:
        headers.append((b"vary", b"Cookie"))
    message["headers"] = headers
