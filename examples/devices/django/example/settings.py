"""The site's settings. From the environment come:

REDIS_URL    the server with the module (redis://127.0.0.1:6379)
SECRET_KEY   signs what the site gives out; without it, tokens in forms end when the site starts again
DATABASE     the file of the accounts (db.sqlite3)
MAX_DEVICES  on how many devices one person may be signed in (5)
TRUST_PROXY  1 behind a proxy that speaks HTTPS for the site: cookies are then for HTTPS alone
"""

import os
from datetime import timedelta
from pathlib import Path

from django.core.management.utils import get_random_secret_key

HERE = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ.get("SECRET_KEY") or get_random_secret_key()
# Off: the pages for what goes wrong are the site's own. `runserver --insecure` serves the style sheet all the same.
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "example",
    "redis_session_client.django",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example.middleware.headers",
    "redis_session_client.django.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

# --- sessions ---

IDLE = timedelta(days=14)
LIFETIME = timedelta(days=90)

SESSION_ENGINE = "redis_session_client.django"
SESSION_REDIS = {
    "url": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"),
    "prefix": "devices:",
    # A device is signed out after so long without use, and after so long in any case.
    "idle": IDLE,
    "lifetime": LIFETIME,
    "max_sessions": int(os.environ.get("MAX_DEVICES", "5")),
    "on_limit": "reject",
}
# The browser keeps its cookie as long as a session may live; what counts is what the server says.
SESSION_COOKIE_AGE = int(LIFETIME.total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# The token of forms and the messages for the next page are kept in the session: there is one cookie.
CSRF_USE_SESSIONS = True
CSRF_FAILURE_VIEW = "example.errors.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

if os.environ.get("TRUST_PROXY") == "1":
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = True

# --- accounts ---

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", HERE / "db.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 8},
    }
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "redis_session:devices"
LOGOUT_REDIRECT_URL = "sign_in"

# --- pages ---

ROOT_URLCONF = "example.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [HERE.parent / "public"]
USE_TZ = True
TIME_ZONE = "UTC"
