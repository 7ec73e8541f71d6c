"""The app: pages, admin, checks, and what is noted of a device at login."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.core.checks import register
from django.utils.translation import gettext_lazy as _


class RedisSessionConfig(AppConfig):
    """`"redis_session_client.django"` in INSTALLED_APPS."""

    name = "redis_session_client.django"
    label = "redis_session"
    verbose_name = _("Sessions")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # Now, and not in ready(): receivers run in the order in which they were connected, and one of the site that
        # adds to the note is to find it, wherever its app stands in INSTALLED_APPS.
        user_logged_in.connect(_note_device, dispatch_uid="redis_session_client.note_device")

    def ready(self) -> None:
        """Registers the checks."""
        from . import checks  # noqa: PLC0415 (the settings are complete only now)

        register(checks.check_settings, "redis_session")
        register(checks.check_server, "redis_session")
        register(checks.check_deployment, "redis_session", deploy=True)


def _note_device(**signal: Any) -> None:
    from . import receivers  # noqa: PLC0415 (the engine comes after the settings)

    receivers.note_device(**signal)
