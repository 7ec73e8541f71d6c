"""Pages that do to a session what sites do."""

from __future__ import annotations

import json

from django.contrib import admin
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth import views as auth_views
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from redis_session_client.django import requires_step_up


def read(request: HttpRequest) -> JsonResponse:
    """Shows the session, without what Django and this package keep in it."""
    return JsonResponse({key: value for key, value in request.session.items() if not key.startswith("_")})


def write(request: HttpRequest) -> HttpResponse:
    """Sets what the query says, as JSON: /write/?cart=[1,2]."""
    for key, value in request.GET.items():
        request.session[key] = json.loads(str(value))
    return HttpResponse("written")


def whoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username() or "nobody")


def visit(request: HttpRequest) -> HttpResponse:
    """Asks who it is, and writes."""
    response = whoami(request)
    request.session["seen"] = True
    return response


@csrf_exempt
def sign_in(request: HttpRequest) -> HttpResponse:
    """Logs in, and has no work beside: no last_login, no form."""
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    if user is None:
        return HttpResponse("no", status=401)
    login(request, user)
    return HttpResponse("in")


@csrf_exempt
def sign_off(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


def fail(request: HttpRequest) -> HttpResponse:
    request.session["failed"] = True
    request.session.cycle_key()
    return HttpResponse("an error", status=500)


async def aread(request: HttpRequest) -> JsonResponse:
    items = await request.session.aitems()
    return JsonResponse({key: value for key, value in items if not key.startswith("_")})


async def awrite(request: HttpRequest) -> HttpResponse:
    for key, value in request.GET.items():
        await request.session.aset(key, json.loads(str(value)))
    return HttpResponse("written")


@requires_step_up
def danger(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


@requires_step_up
async def adanger(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


urlpatterns = [
    path("", whoami),
    path("read/", read),
    path("write/", write),
    path("visit/", visit),
    path("aread/", aread),
    path("awrite/", awrite),
    path("fail/", fail),
    path("danger/", danger),
    path("adanger/", adanger),
    path("sign-in/", sign_in),
    path("sign-off/", sign_off),
    path("login/", auth_views.LoginView.as_view(template_name="login.html"), name="login"),
    path("password/", auth_views.PasswordChangeView.as_view(template_name="login.html", success_url="/")),
    path("devices/", include("redis_session_client.django.urls")),
    path("admin/", admin.site.urls),
]
