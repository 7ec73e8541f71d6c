"""Django's base class of session engines, with the async methods that it has had since Django 5.1."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.base import SessionBase

if TYPE_CHECKING:

    class AsyncSessionBase(SessionBase):
        """What the engine calls of the base class."""

        _session_cache: dict[str, Any]

        def _get_session(self, no_load: bool = False) -> dict[str, Any]: ...  # noqa: FBT001, FBT002

        async def _aget_session(self, no_load: bool = False) -> dict[str, Any]: ...  # noqa: FBT001, FBT002

elif hasattr(SessionBase, "aget"):
    AsyncSessionBase = SessionBase

else:

    def _after_reading(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        """The async form of a method: once the session is read, there is nothing more to wait for."""

        async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            await self._aget_session()
            return getattr(self, name)(*args, **kwargs)

        method.__name__ = f"a{name}"
        method.__doc__ = f"See {name}()."
        return method

    class AsyncSessionBase(SessionBase):
        """The methods that Django 4.2 and 5.0 have in their sync form alone."""

        async def _aget_session(self, no_load: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
            self.accessed = True
            if not hasattr(self, "_session_cache"):
                unread = self.session_key is None or no_load
                self._session_cache = {} if unread else await self.aload()
            return self._session_cache

        async def aset(self, key: str, value: Any) -> None:
            """The async form of session[key] = value."""
            (await self._aget_session())[key] = value
            self.modified = True

        aget = _after_reading("get")
        apop = _after_reading("pop")
        asetdefault = _after_reading("setdefault")
        aupdate = _after_reading("update")
        ahas_key = _after_reading("has_key")
        akeys = _after_reading("keys")
        avalues = _after_reading("values")
        aitems = _after_reading("items")
        aset_test_cookie = _after_reading("set_test_cookie")
        atest_cookie_worked = _after_reading("test_cookie_worked")
        adelete_test_cookie = _after_reading("delete_test_cookie")
        aget_expiry_age = _after_reading("get_expiry_age")
        aget_expiry_date = _after_reading("get_expiry_date")
        aset_expiry = _after_reading("set_expiry")
        aget_expire_at_browser_close = _after_reading("get_expire_at_browser_close")
