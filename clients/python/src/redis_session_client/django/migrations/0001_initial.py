"""The model without a table, so that Django makes its permissions."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates nothing in the database but permissions."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="UserSession",
            fields=[
                (
                    "handle",
                    models.CharField(max_length=22, primary_key=True, serialize=False, verbose_name="handle"),
                ),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "managed": False,
                "default_permissions": ("view", "delete"),
            },
        ),
    ]
