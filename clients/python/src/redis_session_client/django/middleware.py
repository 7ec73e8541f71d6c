"""Django's SessionMiddleware, with two more answers. Put it in its place in MIDDLEWARE."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.template import TemplateDoesNotExist, loader
from django.utils.cache import patch_vary_headers

from .engine import SessionStore
from .exceptions import UNAVAILABLE, SessionRotated, is_of_sessions

logger = logging.getLogger("redis_session_client.django")

#: Seconds after which a browser may try again when the server of the sessions does not answer.
RETRY_AFTER = 5


class SessionMiddleware(DjangoSessionMiddleware):
    """Answers 503 while the sessions cannot be reached, and leaves the cookie alone while its browser logs in.

    The second matters where a session is rotated while another request of its browser runs: that request's page is
    delivered, and what it wanted to write is dropped.
    """

    def __call__(self, request: HttpRequest) -> Any:
        """Answers also where Django's error page could not be made without the session."""
        try:
            return super().__call__(request)
        except UNAVAILABLE as error:
            return _unavailable(error)

    async def __acall__(self, request: HttpRequest) -> Any:
        """See __call__()."""
        parent: Any = super()
        try:
            return await parent.__acall__(request)
        except UNAVAILABLE as error:
            return _unavailable(error)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Saves the session and sets the cookie."""
        session = getattr(request, "session", None)
        if isinstance(session, SessionStore):
            if session.failure is not None and response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                return _unavailable(session.failure)  # it was read outside of a view, by CsrfViewMiddleware say
            if session.is_snapshot:
                return _untouched(response)
        try:
            return super().process_response(request, response)
        except SessionInterrupted as error:
            if isinstance(error.__context__, SessionRotated):
                return _untouched(response)
            raise
        except UNAVAILABLE as error:
            return _unavailable(error)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answers where a view could not read the session."""
        return _unavailable(exception) if is_of_sessions(exception) else None


def _untouched(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ("Cookie",))
    return response


def _unavailable(error: Exception) -> HttpResponse:
    """The page 503.html, if the site has one. It must not want the session."""
    # Django logs that there was a 503, and not why.
    logger.error("the server of the sessions cannot be used: %s: %s", type(error).__name__, error)
    try:
        said, kind = str(loader.render_to_string("503.html")), "text/html"
    except TemplateDoesNotExist:
        said, kind = "The service is not available at the moment. Please try again soon.", "text/plain"
    headers = {"Retry-After": str(RETRY_AFTER)}
    kind = f"{kind}; charset={settings.DEFAULT_CHARSET}"
    return HttpResponse(said, status=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers, content_type=kind)
