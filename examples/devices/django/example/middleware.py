"""What browsers are told with every page."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from .errors import unavailable

HEADERS = {
    # Styles, pictures and forms of this site alone; no scripts at all, and nothing inline.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    # After a sign-out, "back" shows no page from before.
    "Cache-Control": "no-store",
}


def headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Adds the headers, and gives the session middleware's bare 503 the site's look."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            response = unavailable()
        for name, value in HEADERS.items():
            response[name] = value
        return response

    return middleware
