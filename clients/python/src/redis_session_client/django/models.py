"""A model without a table: the admin's permissions to see and to end sessions hang on it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class UserSession(models.Model):
    """A session of a user. It is in no database: the server with the module has it."""

    handle: models.CharField[str, str] = models.CharField(_("handle"), max_length=22, primary_key=True)

    class Meta:
        managed = False
        default_permissions: ClassVar = ("view", "delete")
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
