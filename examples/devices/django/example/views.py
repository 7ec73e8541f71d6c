"""Signing in and out, and changing the password. The list of devices is the package's."""

import time
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model, login, update_session_auth_hash
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView, LogoutView
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.crypto import constant_time_compare
from django.views.generic import FormView, TemplateView
from redis_session_client.django import SessionLimit, devices, sign_out, sign_out_device

from .forms import ChangePasswordForm, SignInForm

# Who has given the right password and has to make room first may take so many seconds.
WAITING = 300


class SignInView(LoginView):
    """Name and password. On one device too many, asks to sign out another one first."""

    template_name = "sign_in.html"
    form_class = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        """Signs in, or says that there is no room."""
        return sign_in(self.request, form.get_user(), self.get_success_url())


def sign_in(request: HttpRequest, user: Any, then: str) -> HttpResponse:
    """Makes the visitor's session the user's, under a new id."""
    try:
        login(request, user)
    except SessionLimit:
        stamp = user.get_session_auth_hash()
        request.session["waiting"] = {"user": user.pk, "stamp": stamp, "until": time.time() + WAITING}
        return redirect("make_room")
    request.session.pop("waiting", None)
    return redirect(then)


class MakeRoomView(TemplateView):
    """Lists the devices of who waits for room; POST `handle` signs one out, and this one in."""

    template_name = "make_room.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Only for who has given the right password."""
        self.owner = who_waits(request)
        return redirect("sign_in") if self.owner is None else super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Adds the devices and whose they are."""
        return super().get_context_data(owner=self.owner, devices=devices(self.owner), **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Makes room, and signs in; if somebody else was faster, the list comes again."""
        sign_out_device(self.owner, request.POST.get("handle", ""))
        return sign_in(request, self.owner, "redis_session:devices")


def who_waits(request: HttpRequest) -> Any:
    """Who has given the right password, and waits for room; nobody any more once the password is another one."""
    waiting = request.session.get("waiting")
    if waiting is None or waiting["until"] < time.time():
        return None
    user = get_user_model().objects.filter(pk=waiting["user"], is_active=True).first()
    if user is None or not constant_time_compare(waiting["stamp"], user.get_session_auth_hash()):
        return None
    return user


class SignOutView(LogoutView):
    """Signs out this device."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ends the session; the message begins a new one."""
        response = super().post(request, *args, **kwargs)
        messages.success(request, "You are signed out.")
        return response


class ChangePasswordView(LoginRequiredMixin, FormView):
    """Changes the password, which signs out all other devices: whoever knew the old one is out."""

    template_name = "password.html"
    form_class = ChangePasswordForm
    success_url = reverse_lazy("redis_session:devices")

    def get_form_kwargs(self) -> dict[str, Any]:
        """The form wants to know whose password it is."""
        return {"user": self.request.user, **super().get_form_kwargs()}

    def form_valid(self, form: Form) -> HttpResponse:
        """Changes it. This session goes on under a new id: whoever had got hold of the old one is out, too."""
        user: Any = self.request.user
        user.set_password(form.cleaned_data["new"])
        user.save()
        ended = sign_out(user, keep=self.request)
        update_session_auth_hash(self.request, user)
        others = "1 other device is" if ended == 1 else f"{ended} other devices are"
        messages.success(self.request, f"Your password is changed. {others} signed out.")
        return super().form_valid(form)
