"""Where the pages are."""

from django.urls import include, path
from django.views.generic import RedirectView

from . import views

handler400 = "example.errors.bad_request"
handler404 = "example.errors.not_found"
handler500 = "example.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="redis_session:devices")),
    # "My devices" comes with the package; templates/redis_session gives it this site's look.
    path("devices/", include("redis_session_client.django.urls")),
    path("sign-in/", views.SignInView.as_view(), name="sign_in"),
    path("sign-in/make-room/", views.MakeRoomView.as_view(), name="make_room"),
    path("sign-out/", views.SignOutView.as_view(), name="sign_out"),
    path("password/", views.ChangePasswordView.as_view(), name="password"),
]
