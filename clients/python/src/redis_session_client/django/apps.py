"""The app: pages, admin, checks, and what is noted of a device at login."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.core.checks import register
from django.utils.translation import gettext_lazy as _


class RedisSessionConfig(AppConfig):
    """`"redis_session_client.django"` in INSTALLED_APPS."""

    name = "redis_session_client.django"
    label = "redis_session"
    verbose_name = _("Sessions")

    def ready(self) -> None:
        """Connects the receiver and registers the checks."""
        from . import checks, receivers  # noqa: PLC0415 (the settings are complete only now)

        user_logged_in.connect(receivers.note_device, dispatch_uid="redis_session_client.note_device")
        register(checks.check_settings, "redis_session")
        register(checks.check_server, "redis_session")
        register(checks.check_deployment, "redis_session", deploy=True)
