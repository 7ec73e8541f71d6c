"""An app that stands before this package's in INSTALLED_APPS, and adds to what a login notes."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest


class Earlier(AppConfig):
    name = "tests.django"
    label = "earlier"

    def ready(self) -> None:
        user_logged_in.connect(note_place)


def note_place(request: HttpRequest, **_: Any) -> None:
    """Where the browser says that it is."""
    place = request.META.get("HTTP_X_PLACE")
    if place:
        request.session["_device"] = {**request.session.get("_device", {}), "place": place}
