"""The pages of "my devices", and the one that asks for the password once more."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, authenticate, logout
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import RedirectURLMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView

from .configuration import ENGINE
from .devices import devices, sign_out, sign_out_device
from .engine import SessionStore


class OwnSessionMixin:
    """There is no such page while another engine keeps the sessions, after a roll back say."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Asks for nothing that only this engine has."""
        session_of(request)
        view: Any = super()
        return view.dispatch(request, *args, **kwargs)


@method_decorator(never_cache, name="dispatch")
class DevicesView(OwnSessionMixin, LoginRequiredMixin, TemplateView):
    """Lists the user's sessions as `devices`, this one marked as `current`."""

    template_name = "redis_session/devices.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Adds `devices`, and how many `others` there are."""
        found = devices(self.request.user, self.request)
        others = sum(not device.current for device in found)
        return super().get_context_data(devices=found, others=others, **kwargs)


@method_decorator(csrf_protect, name="dispatch")
class SignOutView(OwnSessionMixin, LoginRequiredMixin, View):
    """POST `handle`: signs out that device of the user. Where it is this one, it is a logout."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest) -> HttpResponse:
        """Signs out, and goes back to the list."""
        handle = request.POST.get("handle", "")
        if handle == session_of(request).handle:
            logout(request)
            return redirect(settings.LOGOUT_REDIRECT_URL or settings.LOGIN_URL)
        if sign_out_device(request.user, handle):
            messages.success(request, _("The device is signed out."), fail_silently=True)
        else:
            messages.info(request, _("That device was signed out already."), fail_silently=True)
        return redirect("redis_session:devices")


@method_decorator(csrf_protect, name="dispatch")
class SignOutOthersView(OwnSessionMixin, LoginRequiredMixin, View):
    """POST: signs out all devices of the user but this one."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest) -> HttpResponse:
        """Signs out, and goes back to the list."""
        ended = sign_out(request.user, keep=request)
        said = ngettext("%(ended)d other device is signed out.", "%(ended)d other devices are signed out.", ended)
        messages.success(request, said % {"ended": ended}, fail_silently=True)
        return redirect("redis_session:devices")


class ConfirmPasswordForm(forms.Form):
    """The user's password, once more."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)

    def clean_password(self) -> str:
        """Refuses a wrong one. It is asked for as at a login, so that what counts failed logins counts this, too."""
        password: str = self.cleaned_data["password"]
        name = self.request.user.get_username()
        user: Any = authenticate(self.request, username=name, password=password)
        if user is None or user.pk != self.request.user.pk:
            raise forms.ValidationError(gettext_lazy("The password is not right."), code="password_incorrect")
        return password


@method_decorator([sensitive_post_parameters(), csrf_protect, never_cache], name="dispatch")
class ConfirmPasswordView(OwnSessionMixin, LoginRequiredMixin, RedirectURLMixin, FormView):  # type: ignore[type-arg]
    """Asks for the password, steps the session up, gives it a new id and goes to `next`."""

    template_name = "redis_session/confirm_password.html"
    form_class = ConfirmPasswordForm
    redirect_field_name = REDIRECT_FIELD_NAME
    #: How many seconds the session stays stepped up: `ConfirmPasswordView.as_view(seconds=600)`.
    seconds = 300

    def get_default_redirect_url(self) -> str:
        """Where there is no `next`."""
        return resolve_url(settings.LOGIN_REDIRECT_URL)

    def get_form_kwargs(self) -> dict[str, Any]:
        """The form wants to know whose password it is."""
        return {"request": self.request, **super().get_form_kwargs()}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Adds `next`, for the form to send back."""
        where = {self.redirect_field_name: self.get_redirect_url()}
        return super().get_context_data(redirect_field_name=self.redirect_field_name, **where, **kwargs)

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Who gets more rights gets a new id, too."""
        session = session_of(self.request)
        session.cycle_key()
        session.step_up(self.seconds)
        return super().form_valid(form)


def session_of(request: HttpRequest) -> SessionStore:
    """The session of a request. Raises Http404 where another engine keeps it."""
    session: Any = request.session
    if not isinstance(session, SessionStore):
        raise Http404(f'this page needs SESSION_ENGINE = "{ENGINE}"')  # DEBUG shows it
    return session
