"""What happens to a session at login and logout."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest

from ..store import DEVICE
from .connections import connections
from .engine import SessionStore
from .exceptions import SessionLimit

_LONGEST_AGENT = 400  # characters of a User-Agent header that are kept


def save_at_login(request: HttpRequest, **_: Any) -> None:
    """Where a login may be refused, saves the session within `login()`, for the site to catch SessionLimit there.

    The middleware saves when the view has answered already.
    """
    session = getattr(request, "session", None)
    if not isinstance(session, SessionStore) or connections().configuration.options.on_limit != "reject":
        return
    try:
        session.save()
    except SessionLimit:
        _nobody(request)
        raise


def leave_at_logout(request: HttpRequest, **_: Any) -> None:
    """Tells the session that somebody signs out, so that the cookie goes whatever else is under way."""
    session = getattr(request, "session", None)
    if isinstance(session, SessionStore):
        session.signs_out()


def note_device(request: HttpRequest, **_: Any) -> None:
    """Notes in the session from where the user logged in, for "my devices"."""
    session = getattr(request, "session", None)
    if not isinstance(session, SessionStore):
        return
    agent = request.META.get("HTTP_USER_AGENT", "")[:_LONGEST_AGENT]
    session[DEVICE] = {"ip": request.META.get("REMOTE_ADDR", ""), "agent": agent, "name": name_of_agent(agent)}


def _nobody(request: HttpRequest) -> None:
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 (models come after the engine)

    if hasattr(request, "user"):
        request.user = AnonymousUser()


# In this order: most browsers also name those that they are descended from.
_BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/|Chromium/"),
    ("Safari", r"Safari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("ChromeOS", r"CrOS"),
    ("macOS", r"Mac OS X|Macintosh"),
    ("Linux", r"Linux|X11"),
)


def name_of_agent(agent: str) -> str:
    """What people call this browser: "Firefox on Linux". Empty if the header says nothing known."""
    browser = next((name for name, pattern in _BROWSERS if re.search(pattern, agent)), "")
    system = next((name for name, pattern in _SYSTEMS if re.search(pattern, agent)), "")
    return f"{browser} on {system}" if browser and system else browser or system


# These two belong to the engine and work without the app in INSTALLED_APPS.
user_logged_in.connect(save_at_login, dispatch_uid="redis_session_client.save_at_login")
user_logged_out.connect(leave_at_logout, dispatch_uid="redis_session_client.leave_at_logout")
