"""The site in Django, served by waitress on a free port of 127.0.0.1, which it prints.

What it is to be comes in LOAD_SITE, as JSON: `store` ("ours" or "cache"), `where` (the server, as in SESSION_REDIS),
`cap`, `idle` and `grace` (seconds), `threads`, and in `handles` whether answers tell the handle of the session. Pages
answer in JSON what they have read of the session.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

CHOSEN = json.loads(os.environ["LOAD_SITE"])
OURS = CHOSEN["store"] == "ours"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def engine() -> dict[str, Any]:
    """The settings that say where the sessions are."""
    if not OURS:
        cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CHOSEN["where"]["url"]}
        return {
            "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
            "CACHES": {"default": cache},
            "MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"],
        }
    chosen = {**CHOSEN["where"], "prefix": "django:", "rotation_grace": CHOSEN["grace"]}
    if CHOSEN["cap"]:
        chosen["max_sessions"] = CHOSEN["cap"]
    return {
        "SESSION_ENGINE": "redis_session_client.django",
        "SESSION_REDIS": chosen,
        "MIDDLEWARE": [
            *(["__main__.with_handle"] if CHOSEN["handles"] else []),
            "redis_session_client.django.middleware.SessionMiddleware",
        ],
    }


def with_handle(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that says under which handle the session is listed, when it has been saved."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        session: Any = request.session
        if session.handle is not None:
            response["X-Handle"] = session.handle
        return response

    return answer


def state(request: HttpRequest) -> dict[str, Any]:
    """What the site knows of its visitor."""
    fields = {name: value for name, value in request.session.items() if name.startswith("f")}
    return {"user": request.session.get("_auth_user_id"), "fields": fields}


def no_session(request: HttpRequest) -> HttpResponse | None:
    """The answer where there is no session, as it is to somebody who has not signed in."""
    seen = state(request)
    return None if seen["user"] or seen["fields"] else JsonResponse(seen, status=403)


def begin(request: HttpRequest) -> HttpResponse:
    request.session.update(json.loads(request.GET["fields"]))
    if "idle" in request.GET:
        request.session.set_expiry(int(request.GET["idle"]))
    return JsonResponse(state(request))


def view(request: HttpRequest) -> HttpResponse:
    return no_session(request) or JsonResponse(state(request))


def write(request: HttpRequest) -> HttpResponse:
    if answer := no_session(request):
        return answer
    request.session[request.GET["name"]] = request.GET["value"]
    return JsonResponse(state(request))


def login(request: HttpRequest) -> HttpResponse:
    from django.contrib.auth import login
    from django.contrib.auth.models import User

    if answer := no_session(request):
        return answer
    login(request, User(pk=int(request.GET["user"])), backend=BACKEND)
    return JsonResponse(state(request))


def logout(request: HttpRequest) -> HttpResponse:
    from django.contrib.auth import logout

    if answer := no_session(request):
        return answer
    # Django's own asks the database who it is. Nobody's name is needed here.
    request.user = None  # type: ignore[assignment]
    logout(request)
    return JsonResponse({"user": None, "fields": {}})


def devices(request: HttpRequest) -> HttpResponse:
    from redis_session_client.django import devices

    if answer := no_session(request):
        return answer
    found = devices(request.session["_auth_user_id"], current=request)
    listed = [[device.handle, device.current] for device in found]
    return JsonResponse({**state(request), "devices": listed})


def sign_out(request: HttpRequest) -> HttpResponse:
    from redis_session_client.django import sign_out_device

    if answer := no_session(request):
        return answer
    done = sign_out_device(request.session["_auth_user_id"], request.GET["handle"])
    return JsonResponse({**state(request), "done": done})


def password(request: HttpRequest) -> HttpResponse:
    """As docs/django.md has it: Django gives the session a new id, and the others are signed out."""
    from redis_session_client.django import sign_out

    if answer := no_session(request):
        return answer
    request.session.cycle_key()
    sign_out(request.session["_auth_user_id"], keep=request)
    return JsonResponse(state(request))


def support(request: HttpRequest) -> HttpResponse:
    """For the support desk: the sessions of any user."""
    from redis_session_client.django import count, devices

    user = request.GET["user"]
    return JsonResponse({"devices": [[device.handle, False] for device in devices(user)], "count": count(user)})


def failed(request: HttpRequest) -> HttpResponse:
    kind, error, _ = sys.exc_info()
    name = "" if kind is None else kind.__name__
    return JsonResponse({"error": f"{name}: {error}"}, status=500)


handler500 = failed
pages = (begin, view, write, login, logout, devices, sign_out, password, support)
urlpatterns = [path(page.__name__, page) for page in pages]


def main() -> None:
    # Visitors count what fails, and say it at the end.
    logging.disable(logging.CRITICAL)
    settings.configure(
        SECRET_KEY="of a load test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="__main__",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            *(["redis_session_client.django"] if OURS else []),
        ],
        SESSION_COOKIE_AGE=CHOSEN["idle"],
        LOGGING_CONFIG=None,
        **engine(),
    )
    django.setup()

    import waitress
    from django.contrib.auth.signals import user_logged_in
    from django.core.handlers.wsgi import WSGIHandler

    # There is no database whose users could be told when they were last here.
    user_logged_in.disconnect(dispatch_uid="update_last_login")
    server = waitress.create_server(WSGIHandler(), host="127.0.0.1", port=0, threads=CHOSEN["threads"], backlog=256)
    print(server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
