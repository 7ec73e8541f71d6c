"""The sessions of a user in Django's admin: who may view them sees them, who may delete them ends them.

Both are permissions of the model `redis_session | session`.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .devices import devices, sign_out, sign_out_device
from .models import UserSession
from .views import session_of

_MOST_USERS = 50  # that a search lists


@admin.register(UserSession)
class UserSessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A search for users, and a page with the sessions of one."""

    def get_urls(self) -> list[URLPattern]:
        """The two pages."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.users_view), name="redis_session_usersession_changelist"),
            path("<str:user>/", wrap(self.sessions_view), name="redis_session_usersession_sessions"),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sessions begin by a login."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Sessions change by what their users do."""
        return False

    def users_view(self, request: HttpRequest) -> HttpResponse:
        """Finds users by name."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        session_of(request)
        asked = request.GET.get("q", "").strip()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Sessions"),
            "opts": self.opts,
            "q": asked,
            "users": _users_called(asked) if asked else [],
        }
        return TemplateResponse(request, "admin/redis_session/users.html", context)

    def sessions_view(self, request: HttpRequest, user: str) -> HttpResponse:
        """Lists a user's sessions; POST ends those of `handle`, or all."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        session_of(request)
        whose = _user_or_404(user)
        if request.method == "POST":
            return self._end(request, whose)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Sessions of %(user)s") % {"user": whose},
            "opts": self.opts,
            "whose": whose,
            "devices": devices(whose, current=request),
            "may_end": self.has_delete_permission(request),
        }
        return TemplateResponse(request, "admin/redis_session/sessions.html", context)

    def _end(self, request: HttpRequest, whose: Any) -> HttpResponse:
        if not self.has_delete_permission(request):
            raise PermissionDenied
        if "all" in request.POST:
            # Whoever ends all of their own goes on with this one.
            ended = sign_out(whose, keep=request)
        else:
            ended = sum(sign_out_device(whose, handle) for handle in request.POST.getlist("handle"))
        said = ngettext("%(ended)d session was ended.", "%(ended)d sessions were ended.", ended) % {"ended": ended}
        if ended:
            self.log_change(request, whose, said)
        messages.success(request, said)
        return redirect("admin:redis_session_usersession_sessions", whose.pk)


@admin.display(description=gettext_lazy("sessions"))
def sessions_link(user: Any) -> SafeString | str:
    """A link to a user's sessions, for `list_display` or `readonly_fields` of the admin of users."""
    if user.pk is None:
        return "-"
    url = reverse("admin:redis_session_usersession_sessions", args=[user.pk])
    return format_html('<a href="{}">{}</a>', url, _("Sessions"))


def _user_or_404(key: str) -> Any:
    try:
        return get_object_or_404(get_user_model(), pk=key)
    except (OverflowError, ValidationError, ValueError) as error:  # a word where the key is a number, or a UUID
        raise Http404 from error


def _users_called(name: str) -> Any:
    users = get_user_model()._default_manager
    field = get_user_model().USERNAME_FIELD
    found = Q(**{f"{field}__icontains": name})
    email = getattr(get_user_model(), "EMAIL_FIELD", None)
    if email:
        found |= Q(**{f"{email}__iexact": name})
    return users.filter(found).order_by(field)[:_MOST_USERS]
