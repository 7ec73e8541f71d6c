"""Times and devices in words: a server does not know its visitor's time zone, so it says how long ago, not when."""

import re
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.utils import timezone

register = template.Library()

UNITS = (("year", 365 * 86_400), ("month", 30 * 86_400), ("day", 86_400), ("hour", 3600), ("minute", 60))


def in_words(seconds: float) -> str | None:
    """A number of seconds in its largest unit: "3 days". Under a minute: None."""
    for name, length in UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return None


@register.filter
def ago(time: datetime) -> str:
    """How long ago it was: "3 days ago", "just now"."""
    words = in_words((timezone.now() - time).total_seconds())
    return f"{words} ago" if words else "just now"


@register.filter
def ahead(time: datetime) -> str:
    """How far ahead it is, to the nearest minute: "in 14 days", "in less than a minute"."""
    words = in_words(round((time - timezone.now()) / timedelta(minutes=1)) * 60)
    return f"in {words or 'less than a minute'}"


@register.simple_tag
def idle() -> str | None:
    """After how long without use a device is signed out."""
    return in_words(settings.IDLE.total_seconds())


@register.filter
def kind(device: Any) -> str:
    """ "phone", "tablet" or "computer", by what its browser said of itself."""
    agent = (device.device or {}).get("agent", "")
    if re.search(r"iPhone|Android.* Mobile", agent):
        return "phone"
    return "tablet" if re.search(r"iPad|Android", agent) else "computer"


@register.filter
def this_first(devices: list[Any]) -> list[Any]:
    """The device that asks, then the others as they come: the one that was seen last first."""
    return sorted(devices, key=lambda device: not device.current)
