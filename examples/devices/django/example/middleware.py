"""What browsers are told with every page."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADERS = {
    # Styles, pictures and forms of this site alone; no scripts at all, and nothing inline.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    # After a sign-out, "back" shows no page from before.
    "Cache-Control": "no-store",
}


def headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Adds the headers."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in HEADERS.items():
            response[name] = value
        return response

    return middleware
