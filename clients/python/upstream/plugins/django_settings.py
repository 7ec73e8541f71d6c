"""Settings for Django's own tests: SQLite in memory, sessions on the module."""

import os

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3"},
}
SECRET_KEY = "for tests alone"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False

SESSION_ENGINE = "redis_session_client.django"
SESSION_REDIS = {"url": os.environ["SESSION_URL"]}

TEST_RUNNER = "django_runner.Runner"
