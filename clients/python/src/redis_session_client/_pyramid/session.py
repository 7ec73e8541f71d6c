"""What `request.session` is."""

from __future__ import annotations

import secrets
import sys
import time
from typing import Any

from pyramid.interfaces import ISession  # type: ignore[import-untyped]
from zope.interface import implementer  # type: ignore[import-untyped]

from .._arguments import Seconds
from .state import State

CSRF_TOKEN = "_csrft_"  # noqa: S105 - the name of the field, as in Pyramid's own sessions
FLASH = "_f_"
STEP_UP = "_step_up"


@implementer(ISession)
class RedisSession(State):
    """A session: a dict that is read when the request first asks for it, and written once, with the response.

    It is found out what has changed, nested values included; `changed()` need not be called.
    """

    # --- what Pyramid's own sessions and pyramid_redis_sessions have ---

    @property
    def session_id(self) -> str:
        """The id that the cookie holds. After a login another one, from the response on."""
        return self._begun()

    @property
    def new(self) -> bool:
        """Whether the session began with this request."""
        self._begun()
        return self._new

    @property
    def created(self) -> int:
        """When the session began, in Unix seconds. A login begins it anew. It takes a command of its own."""
        self._begun()
        return int(self._created_at())

    @property
    def timeout(self) -> float | None:
        """The idle timeout in seconds. None: none, or (before a new session is written) the server's default.

        It takes a command of its own, unless this request has set it.
        """
        self._begun()
        idle = self._idle_seconds()
        return int(idle) if idle is not None and idle == idle // 1 else idle

    @property
    def managed_dict(self) -> dict[str, Any]:
        """The data: the session itself."""
        self._begun()
        return self

    @property
    def redis(self) -> Any:
        """The client."""
        return self.store.client

    @property
    def _invalidated(self) -> bool:
        return self._id is None

    def from_redis(self) -> dict[str, Any]:
        """What the server holds of this session: `managed_dict`, `created` and `timeout`. KeyError: it has ended.

        It writes first what would be written with the response.
        """
        self._begun()
        self.save()
        self._details = None
        details = self._detailed()
        if details is None:
            raise KeyError("the session has ended")
        return {"managed_dict": details.data(), "created": self.created, "timeout": self.timeout}

    def adjust_timeout_for_session(self, timeout_seconds: Seconds | None) -> None:
        """Changes the idle timeout of this session, for as long as it lives. 0 or less ends it, None means none."""
        self._begun()
        self._idle = timeout_seconds

    def changed(self) -> None:
        """Is not needed: what has changed is found by comparing with what was read."""
        self._write_begins()

    # --- more than theirs ---

    def rotate(self) -> None:
        """Gives the session another id, with the response, as a login does: for whoever gets more rights."""
        self._begun()
        self._rotation = True

    def set_lifetime(self, seconds: Seconds | None) -> None:
        """Sets an end that activity does not postpone, counted from the login. None: no such end."""
        self._begun()
        self._lifetime = seconds

    def step_up(self, seconds: float) -> None:
        """Notes that the user has just shown once more who they are: `stepped_up` is true for so long.

        The session gets another id, as at a login.
        """
        self[STEP_UP] = [self.user, time.time() + seconds]
        self.rotate()

    @property
    def stepped_up(self) -> bool:
        """Whether this user has called for `step_up` and its time is not over."""
        user, until = self.get(STEP_UP) or (None, 0)
        return bool(user == self.user and time.time() < until)

    # --- the dict: what changes it notes that it did ---

    def __setitem__(self, key: str, value: Any) -> None:
        self._write_begins()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._write_begins()

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As of a dict."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As of a dict."""
        self._write_begins()
        super().update(*args, **kwargs)

    def __ior__(self, other: Any) -> RedisSession:  # type: ignore[override,misc]
        self.update(other)
        return self

    def pop(self, key: str, default: Any = None) -> Any:
        """As of a dict, but None where there is no such key: what pyramid_redis_sessions does."""
        if key not in self:
            return default
        self._write_begins()
        return super().pop(key)

    def popitem(self) -> tuple[str, Any]:
        """As of a dict."""
        item = super().popitem()
        self._write_begins()
        return item

    def clear(self) -> None:
        """Empties the session, also of what other requests have written meanwhile."""
        self._write_begins()
        self._replace = True
        super().clear()

    def has_key(self, key: str) -> bool:
        """`key in session`, as pyramid_redis_sessions has it."""
        return key in self

    def iterkeys(self) -> Any:
        """`iter(session)`."""
        return iter(self.keys())

    def itervalues(self) -> Any:
        """`iter(session.values())`."""
        return iter(self.values())

    def iteritems(self) -> Any:
        """`iter(session.items())`."""
        return iter(self.items())

    # --- flash messages and the CSRF token ---

    def flash(self, msg: Any, queue: str = "", allow_duplicate: bool = True) -> None:  # noqa: FBT001, FBT002
        """Keeps a message for the next page."""
        messages = self.setdefault(FLASH + queue, [])
        if allow_duplicate or msg not in messages:
            messages.append(msg)
            self._write_begins()

    def pop_flash(self, queue: str = "") -> list[Any]:
        """The messages of a queue, which is empty then."""
        messages: list[Any] = self.pop(FLASH + queue, [])
        return messages

    def peek_flash(self, queue: str = "") -> list[Any]:
        """The messages of a queue, which stay."""
        messages: list[Any] = self.get(FLASH + queue, [])
        return messages

    def new_csrf_token(self) -> str:
        """Makes another token."""
        token = secrets.token_hex(20)
        self[CSRF_TOKEN] = token
        return token

    def get_csrf_token(self) -> str:
        """The token, made if there is none."""
        token = self.get(CSRF_TOKEN)
        return self.new_csrf_token() if token is None else str(token)

    # --- the end of the request ---

    def respond(self, request: Any, response: Any) -> None:
        """Writes the session and sets the cookie: a response callback, which runs after all others."""
        if not self._is_last(request):
            return
        if self._is_withheld(request):
            self._id = None
            dict.clear(self)
        try:
            self.save()
        except Exception:
            _answer_by_exception_view(request, response)
            self._send_cookie(response, failed=True)
        else:
            self._send_cookie(response, failed=False)

    _deferred = False

    def _is_last(self, request: Any) -> bool:
        """Whether no other callback may change the session still. If one may, this one asks to be called again."""
        if self._deferred or all(callback == self.respond for callback in request.response_callbacks):
            return True
        self._deferred = True
        request.add_response_callback(self.respond)
        return False

    def _is_withheld(self, request: Any) -> bool:
        """Whether a session that began in a request that failed is forgotten: `cookie_on_exception` is off."""
        failed = getattr(request, "exception", None) is not None
        return failed and not self._habits.cookie.on_exception and self._loaded is None

    def _send_cookie(self, response: Any, *, failed: bool) -> None:
        cookie = self._habits.cookie
        if self._id is None:
            if self._came_with_cookie and not self._overtaken and not failed:
                cookie.delete(response)
        elif self._cookie_due and self._loaded is not None:
            cookie.set(response, self._id)


def _answer_by_exception_view(request: Any, response: Any) -> None:
    """Turns a response into that of the site's exception view; raises the exception where there is none.

    Pyramid does so by itself where a view fails, but a response callback comes too late for that.
    """
    if not hasattr(request, "invoke_exception_view"):
        raise  # noqa: PLE0704 - it is called where an exception is handled
    answer = request.invoke_exception_view(sys.exc_info(), reraise=True)
    response.status = answer.status
    response.headerlist = list(answer.headerlist)
    response.app_iter = answer.app_iter
