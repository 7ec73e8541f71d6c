"""The forms of the account: Django's own, in this site's words."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.password_validation import validate_password

SHORTEST = 8


class SignInForm(AuthenticationForm):
    """Name and password."""

    error_messages = {
        "invalid_login": "The name or the password is not right.",
        "inactive": "The name or the password is not right.",
    }


class ChangePasswordForm(forms.Form):
    """The present password, and the new one."""

    old = forms.CharField(strip=False, max_length=200)
    new = forms.CharField(strip=False, max_length=200)

    def __init__(self, user: Any, *args: Any, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean_old(self) -> str:
        """Refuses a wrong one."""
        old = self.cleaned_data["old"]
        if not self.user.check_password(old):
            raise forms.ValidationError("This is not your present password.")
        return old

    def clean_new(self) -> str:
        """Refuses one that is too short, and whatever else AUTH_PASSWORD_VALIDATORS asks."""
        new = self.cleaned_data["new"]
        if len(new) < SHORTEST:
            raise forms.ValidationError(f"Please take {SHORTEST} characters or more.")
        validate_password(new, self.user)
        return new
