"""Asking for the password once more before what matters: "stepped up" for some minutes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url

from .async_base import AsyncSessionBase
from .configuration import ENGINE

#: Unix seconds until which the session is stepped up.
UNTIL = "_step_up_until"


class StepUp(AsyncSessionBase):
    """The mark in a session that says: the password was entered again a moment ago."""

    def step_up(self, seconds: float = 300) -> None:
        """Marks the session as stepped up for so many seconds."""
        self[UNTIL] = time.time() + seconds

    async def astep_up(self, seconds: float = 300) -> None:
        """See step_up()."""
        await self._aget_session()
        self.step_up(seconds)

    @property
    def stepped_up(self) -> bool:
        """Whether it is."""
        return bool(self.get(UNTIL, 0) > time.time())

    async def astepped_up(self) -> bool:
        """See stepped_up."""
        await self._aget_session()
        return self.stepped_up


def requires_step_up(
    view: Callable[..., Any] | None = None, *, confirm_url: str = "redis_session:confirm_password"
) -> Any:
    """Decorates a view, sync or async: whose session is not stepped up is sent to enter the password first.

    `confirm_url` is a path or the name of a URL. It gets the page that was asked for as `next`.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        if iscoroutinefunction(view):

            @functools.wraps(view)
            async def awrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                if await _session(request).astepped_up():
                    return await view(request, *args, **kwargs)
                return _ask(request, confirm_url)

            return awrapped

        @functools.wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return view(request, *args, **kwargs) if _session(request).stepped_up else _ask(request, confirm_url)

        return wrapped

    return decorate if view is None else decorate(view)


def _session(request: HttpRequest) -> StepUp:
    """Raises Http404 while another engine keeps the session, after a roll back say: nobody can be stepped up then."""
    session: Any = request.session
    if not isinstance(session, StepUp):
        raise Http404(f'this page needs SESSION_ENGINE = "{ENGINE}"')  # DEBUG shows it
    return session


def _ask(request: HttpRequest, confirm_url: str) -> HttpResponseBase:
    from django.contrib.auth.views import redirect_to_login  # noqa: PLC0415 (it needs the models, which come later)

    return redirect_to_login(request.get_full_path(), resolve_url(confirm_url), REDIRECT_FIELD_NAME)
