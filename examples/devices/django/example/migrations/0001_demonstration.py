"""The two people who have an account."""

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import migrations

PEOPLE = {"alice": "tea-at-four", "bob": "bricks-and-mortar"}


def add_people(apps, schema_editor):
    user = apps.get_model(settings.AUTH_USER_MODEL)
    for name, password in PEOPLE.items():
        user.objects.create(username=name, password=make_password(password))


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [migrations.RunPython(add_people, migrations.RunPython.noop)]
