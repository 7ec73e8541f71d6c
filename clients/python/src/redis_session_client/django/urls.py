"""The pages of "my devices": `path("devices/", include("redis_session_client.django.urls"))`."""

from django.urls import path

from . import views

app_name = "redis_session"

urlpatterns = [
    path("", views.DevicesView.as_view(), name="devices"),
    path("sign-out/", views.SignOutView.as_view(), name="sign_out"),
    path("sign-out-others/", views.SignOutOthersView.as_view(), name="sign_out_others"),
    path("confirm-password/", views.ConfirmPasswordView.as_view(), name="confirm_password"),
]
