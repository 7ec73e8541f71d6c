"""Django's SessionMiddleware, with two more answers. Put it in its place in MIDDLEWARE."""

from __future__ import annotations

from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from redis import exceptions

from .engine import SessionStore
from .exceptions import SessionRotated

#: Seconds after which a browser may try again when the server of the sessions does not answer.
RETRY_AFTER = 5

# No answer, or one that says: not now.
_UNAVAILABLE = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
)


class SessionMiddleware(DjangoSessionMiddleware):
    """Answers 503 while the sessions cannot be reached, and leaves the cookie alone while its browser logs in.

    The second matters where a session is rotated while another request of its browser runs: that request's page is
    delivered, and what it wanted to write is dropped.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Saves the session and sets the cookie."""
        session = getattr(request, "session", None)
        if isinstance(session, SessionStore) and session.is_snapshot:
            return _untouched(response)
        try:
            return super().process_response(request, response)
        except SessionInterrupted as error:
            if isinstance(error.__context__, SessionRotated):
                return _untouched(response)
            raise
        except _UNAVAILABLE:
            return _unavailable()

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answers where a view could not read the session."""
        return _unavailable() if isinstance(exception, _UNAVAILABLE) else None


def _untouched(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ("Cookie",))
    return response


def _unavailable() -> HttpResponse:
    said = "The service is not available at the moment. Please try again soon."
    return HttpResponse(said, status=503, headers={"Retry-After": str(RETRY_AFTER)}, content_type="text/plain")
