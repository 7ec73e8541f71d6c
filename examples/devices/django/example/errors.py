"""Pages for what goes wrong. They ask nothing of the session, which may be what is missing."""

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.template.loader import render_to_string


def _page(status: int, title: str, text: str, link: str = "To the first page") -> HttpResponse:
    said = render_to_string("error.html", {"title": title, "text": text, "link": link})
    return HttpResponse(said, status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without the token of its session."""
    # A device that was signed out meanwhile is led to the sign-in. Not so where another site has sent the form: it
    # comes without the cookie, so that a session begun for it would take the place of the visitor's own.
    is_ours = request.headers.get("Sec-Fetch-Site") in ("same-origin", "none")
    sign_in = resolve_url(settings.LOGIN_URL)
    if is_ours and request.path != sign_in and not request.user.is_authenticated:
        return redirect_to_login(resolve_url(settings.LOGIN_REDIRECT_URL))
    return _page(
        403,
        "This form is out of date",
        "Nothing was changed. The page that you sent it from was open for too long, or since before you signed in.",
        "Start again",
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return _page(
        400,
        "This cannot be understood",
        "Nothing was changed. What your browser has sent is not what a page of ours would send.",
        "Start again",
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return _page(404, "There is no such page", "The address may be mistyped, or the page is gone.")


def server_error(request: HttpRequest) -> HttpResponse:
    """500. Where the sessions cannot be reached, the session middleware answers with 503.html instead."""
    return _page(500, "Something went wrong", "The fault is on our side. It has been noted.", "Try again")
