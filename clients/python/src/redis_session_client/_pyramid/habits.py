"""What a site has decided about its sessions, beside what the store does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..keys import acceptable, new_id
from .cookie import Signer


@dataclass(frozen=True)
class Cookie:
    """What the cookie is like."""

    signer: Signer
    name: str
    max_age: int | None
    path: str
    domain: str | None
    secure: bool
    httponly: bool
    samesite: str | None
    on_exception: bool

    def read(self, request: Any) -> str | None:
        """The id that a request brings. None: it has no cookie, or none that is signed with our secret."""
        return self.signer.read(request.cookies.get(self.name))

    def set(self, response: Any, session_id: str) -> None:
        response.set_cookie(
            self.name,
            value=self.signer.sign(session_id),
            max_age=self.max_age,
            path=self.path,
            domain=self.domain,
            secure=self.secure,
            httponly=self.httponly,
            samesite=self.samesite,
        )

    def delete(self, response: Any) -> None:
        response.delete_cookie(self.name, path=self.path, domain=self.domain)


@dataclass(frozen=True)
class Habits:
    """How sessions behave."""

    cookie: Cookie
    #: Whose a session is, by what it says.
    user: Callable[[Any], str | None]
    #: What is noted of a device at login, by the request.
    device: Callable[[Any], Any]
    rotate_on_login: bool
    #: Makes the ids of new sessions; None: ours.
    id_generator: Callable[[], Any] | None

    def new_id(self) -> str:
        """The id of a session that begins."""
        return new_id() if self.id_generator is None else str(self.id_generator())

    def next_id(self, before: str) -> str:
        """The id that a session gets at login. It keeps the first four characters, for one slot of a cluster."""
        made = new_id(before) if self.id_generator is None else before[:4] + self.new_id()[4:]
        return made if acceptable(made) else new_id(before)


def stored_id(session_id: str) -> str:
    """The id that the store knows a cookie's id by: itself, or a hash of one that has strange characters in it."""
    return session_id if acceptable(session_id) else hashlib.sha256(session_id.encode()).hexdigest()


def user_of(user: Callable[[Any], Any] | None, field: str) -> Callable[[Any], str | None]:
    """A function that tells whose a session is: by the site's own, or by a key of the session."""

    def said(session: Any) -> str | None:
        found = session.get(field) if user is None else user(session)
        return None if found is None or found == "" else str(found)

    return said
