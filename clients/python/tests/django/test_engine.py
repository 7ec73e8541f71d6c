"""What a session does, beside what Django's own tests ask."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.test import override_settings
from django.utils import timezone

from redis_session_client.django import SessionConflict, SessionStore, count
from redis_session_client.keys import handle
from tests.django.conftest import Browser
from tests.servers import TOP, Server

pytestmark = pytest.mark.usefixtures("site")
Site = Callable[..., None]


def begun(**data: Any) -> SessionStore:
    """A session that is on the server."""
    session = SessionStore()
    session.update(data)
    session.save()
    return session


def again(session: SessionStore) -> SessionStore:
    """The same session in another request."""
    return SessionStore(session.session_key)


def info(server: Server, session: SessionStore) -> dict[str, Any]:
    """What the server says of it."""
    from redis_session_client.django.connections import connections

    key = connections().operations.keys.key(str(session.session_key))
    reply = server.command("SESSION.INFO", key)
    return dict(zip(reply[::2], reply[1::2], strict=True)) if reply else {}


BARE_SITE = """
from django.conf import settings
settings.configure(INSTALLED_APPS=[], SESSION_ENGINE="redis_session_client.django", SESSION_REDIS={"url": "URL"})
import django
django.setup()
from django.contrib.sessions.middleware import SessionMiddleware
store = SessionMiddleware(lambda request: None).SessionStore
session = store()
session["cart"] = [1]
session.save()
print(store(session.session_key)["cart"])
"""


def test_a_site_without_any_apps(server: Server) -> None:
    program = BARE_SITE.replace("URL", server.url)
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment["PYTHONPATH"] = str(TOP / "clients/python/src")
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[1]\n", "")


# --- several requests at a time ---


def test_two_tabs_that_write_different_keys_keep_both() -> None:
    session = begun(theme="dark")
    one, other = again(session), again(session)
    one["cart"], other["language"] = [1], "fr"
    one.save()
    other.save()
    assert dict(again(session).items()) == {"theme": "dark", "cart": [1], "language": "fr"}


def test_a_key_that_one_tab_removes_stays_removed() -> None:
    session = begun(theme="dark", cart=[1])
    one, other = again(session), again(session)
    del one["theme"]
    other["cart"].append(2)
    other.modified = True
    one.save()
    other.save()
    assert dict(again(session).items()) == {"cart": [1, 2]}


def test_strict_sessions_refuse_the_second_tab(site: Site) -> None:
    site(conflict="strict")
    session = begun(theme="dark")
    one, other = again(session), again(session)
    one["cart"], other["language"] = [1], "fr"
    one.save()
    with pytest.raises(SessionConflict):
        other.save()
    assert issubclass(SessionConflict, SessionInterrupted)
    assert dict(again(session).items()) == {"theme": "dark", "cart": [1]}


def test_a_conflict_in_the_middleware_is_a_400(site: Site, browser: Callable[[], Browser]) -> None:
    site(conflict="strict")
    visitor = browser()
    visitor.writes(cart="[1]")

    class Slow(SessionStore):
        """Another tab writes while this request runs."""

        def save(self, must_create: bool = False) -> None:
            with_other_tab = SessionStore(self.session_key)
            with_other_tab["theme"] = "dark"
            with_other_tab.save()
            super().save(must_create)

    middleware = visitor.handler
    visitor.get("/")  # loads the middleware
    from django.contrib.sessions.middleware import SessionMiddleware

    original = SessionMiddleware.process_request

    def process_request(self: Any, request: Any) -> None:
        original(self, request)
        request.session = Slow(request.session.session_key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SessionMiddleware, "process_request", process_request)
        assert middleware is visitor.handler
        assert visitor.get("/write/?cart=[2]").status_code == 400


def test_what_ended_does_not_come_back(server: Server) -> None:
    session = begun(cart=[1])
    other = again(session)
    other["cart"] = [2]
    session.flush()
    with pytest.raises(UpdateError):
        other.save()
    assert server.keys() == []


def test_saving_without_a_difference_still_tells_that_it_ended() -> None:
    session = begun(cart=[1])
    other = again(session)
    other["cart"] = [1]
    session.flush()
    with pytest.raises(UpdateError):
        other.save()


def test_clear_removes_what_another_tab_has_written_meanwhile() -> None:
    session = begun(cart=[1])
    one, other = again(session), again(session)
    other["theme"] = "dark"
    assert one["cart"] == [1]
    other.save()
    one.clear()
    one["empty"] = True
    one.save()
    assert dict(again(session).items()) == {"empty": True}


def test_clear_without_reading() -> None:
    session = begun(cart=[1])
    cleared = again(session)
    cleared.clear()
    cleared.save()
    assert dict(again(session).items()) == {}
    assert session.exists(session.session_key)


def test_clear_of_a_session_that_ended() -> None:
    session = begun(cart=[1])
    cleared = again(session)
    cleared.clear()
    session.flush()
    with pytest.raises(UpdateError):
        cleared.save()


def test_looking_once_more_does_not_change_what_the_next_save_compares_with() -> None:
    session = begun(count=1)
    one, other = again(session), again(session)
    assert one["count"] == 1
    other["count"] = 2
    other.save()
    assert one.load() == {"count": 2}
    one["theme"] = "dark"
    one.save()
    assert dict(again(session).items()) == {"count": 2, "theme": "dark"}


# --- what is in it ---


def test_what_changed_deep_inside_is_written() -> None:
    session = begun(cart={"items": [{"n": 1}]})
    other = again(session)
    other["cart"]["items"][0]["n"] = 2
    other.save()  # Django's own engines write it, too, whoever calls save
    assert again(session)["cart"] == {"items": [{"n": 2}]}


@pytest.mark.parametrize("value", [0, 0.0, False, "", None, [], {}, "5", 5, 5.5, 2**70, "Ärger 🍒", math.inf, "\ud800"])
def test_values_keep_their_types(value: Any) -> None:
    session = begun(value=value)
    read = again(session)["value"]
    assert (read, type(read)) == (value, type(value))


def test_one_and_true_are_different() -> None:
    session = begun(value=1)
    other = again(session)
    other["value"] = True
    other.save()
    assert again(session)["value"] is True


def test_what_json_cannot_hold_is_refused_as_by_django() -> None:
    with pytest.raises(TypeError):
        begun(value=timezone.now())


class CustomSerializer:
    """Wants dictionaries, as Django promises."""

    def dumps(self, obj: dict[str, Any]) -> bytes:
        return repr(sorted(obj.items())).encode()

    def loads(self, data: bytes) -> dict[str, Any]:
        return dict(eval(data))


@pytest.mark.parametrize("name", ["CustomSerializer", "PickleSerializer"])
def test_another_serializer(name: str) -> None:
    with override_settings(SESSION_SERIALIZER=f"{__name__}.{name}"):
        session = begun(value=(1, 2), cart=[1])
        one, other = again(session), again(session)
        one["cart"].append(2)
        one.save()
        other["more"] = (3,)
        other.save()
        assert dict(again(session).items()) == {"value": (1, 2), "cart": [1, 2], "more": (3,)}


class PickleSerializer:
    """Django had one until 5.0."""

    def dumps(self, obj: Any) -> bytes:
        import pickle

        return pickle.dumps(obj)

    def loads(self, data: bytes) -> Any:
        import pickle

        return pickle.loads(data)


# --- under which id ---


def test_ids_are_hashed_in_the_server(server: Server) -> None:
    session = begun(cart=[1])
    (key,) = server.keys()
    assert str(session.session_key) not in key
    assert key.startswith(f"sess:{{{str(session.session_key)[:4]}}}")
    assert session.handle == handle(key)


def test_ids_may_stand_there_as_they_are(site: Site, server: Server) -> None:
    site(hash_keys=False, prefix="shop:")
    session = begun(cart=[1])
    assert server.keys() == [f"shop:{session.session_key}"]


def test_an_id_that_is_taken() -> None:
    session = begun(cart=[1])
    with pytest.raises(CreateError):
        again(session).save(must_create=True)


@pytest.mark.parametrize("made_up", ["short", "../../etc/passwd", "x" * 200, "with space", "ключ-ключ-ключ", "*" * 20])
def test_ids_that_are_none_do_not_reach_the_server(server: Server, made_up: str) -> None:
    with server.counting() as calls:
        session = SessionStore(made_up)
        assert session.get("cart") is None
        assert session.session_key is None
        assert not session.exists(made_up)
        session.delete(made_up)
    assert calls.total() == 0


def test_a_made_up_id_begins_no_session(server: Server, browser: Callable[[], Browser]) -> None:
    visitor = browser()
    visitor.cookies["sessionid"] = "madeupmadeupmadeupmadeupmadeup12"
    visitor.writes(cart="[1]")
    assert visitor.cookie != "madeupmadeupmadeupmadeupmadeup12"
    assert len(server.keys()) == 1


# --- a new id ---


def test_a_new_id_goes_with_the_data(server: Server) -> None:
    session = begun(cart=[1])
    other = again(session)
    other.cycle_key()
    other["theme"] = "dark"
    assert other.session_key != session.session_key
    with server.counting() as calls:
        other.save()
    assert calls == {"session.rotate": 1}
    assert dict(again(other).items()) == {"cart": [1], "theme": "dark"}
    assert not session.exists(session.session_key)


def test_a_new_id_that_is_never_saved_changes_nothing(browser: Callable[[], Browser]) -> None:
    visitor = browser()
    visitor.writes(cart="[1]")
    cookie = visitor.cookie
    assert visitor.get("/fail/").status_code == 500
    assert visitor.cookie == cookie
    assert visitor.reads() == {"cart": [1]}


def test_until_it_is_saved_the_session_that_asks_sees_the_new_id_alone() -> None:
    session = begun(cart=[1])
    old = session.session_key
    session.cycle_key()
    assert not session.exists(old)
    assert session.exists(session.session_key)
    session.delete(old)  # to the application it is gone already
    session.save()
    assert again(session)["cart"] == [1]


def test_two_new_ids_before_it_is_saved() -> None:
    session = begun(cart=[1])
    old = session.session_key
    session.cycle_key()
    passed_over = session.session_key
    session.cycle_key()
    assert len({old, passed_over, session.session_key}) == 3
    session.save()
    assert again(session)["cart"] == [1]
    assert not session.exists(passed_over)


def test_flush_after_a_new_id_leaves_nothing(server: Server) -> None:
    session = begun(cart=[1])
    session.cycle_key()
    session.flush()
    assert session.session_key is None
    assert server.keys() == []


def test_flush_of_a_session_that_never_was(server: Server) -> None:
    session = SessionStore()
    session.cycle_key()
    session["cart"] = [1]
    session.flush()
    session["cart"] = [2]
    session.save()
    assert again(session)["cart"] == [2]
    assert len(server.keys()) == 1


def test_a_new_session_under_its_first_id() -> None:
    session = SessionStore()
    session.cycle_key()
    given = session.session_key
    session["cart"] = [1]
    session.save()
    assert session.session_key == given
    assert again(session)["cart"] == [1]


def test_a_new_id_of_a_session_that_ended_meanwhile() -> None:
    session = begun(cart=[1], _auth_user_id="1")
    other = again(session)
    other.cycle_key()
    session.flush()
    with pytest.raises(UpdateError):
        other.save()


def test_a_login_counts_though_the_session_ended_meanwhile() -> None:
    session = begun(cart=[1])
    other = again(session)
    other.cycle_key()
    other["_auth_user_id"] = "1"
    session.flush()
    other.save()
    assert again(other)["_auth_user_id"] == "1"
    assert count("1") == 1


def test_the_data_can_be_read_again_before_a_new_id_is_saved() -> None:
    session = begun(cart=[1])
    session.cycle_key()
    del session._session_cache
    assert session["cart"] == [1]
    session.save()
    assert again(session)["cart"] == [1]


# --- whose it is ---


def test_the_user_is_followed_wherever_it_is_set() -> None:
    session = begun(cart=[1])
    assert count("7") == 0
    session["_auth_user_id"] = "7"
    session.save()
    assert count("7") == 1
    session["_auth_user_id"] = "8"
    session.save()
    assert (count("7"), count("8")) == (0, 1)
    del session["_auth_user_id"]
    session.save()
    assert (count("7"), count("8")) == (0, 0)
    assert again(session)["cart"] == [1]


def test_another_request_does_not_undo_a_login_that_it_has_not_seen() -> None:
    session = begun(cart=[1])
    login, other = again(session), again(session)
    login["_auth_user_id"] = "7"
    other["theme"] = "dark"
    login.save()
    other.save()
    assert count("7") == 1
    assert again(session)["_auth_user_id"] == "7"


def test_another_field_names_the_user(site: Site, server: Server) -> None:
    site(user_field="account", user_prefix="shop:")
    session = begun(account=42, _auth_user_id="7")
    assert info(server, session)["user"] == "shop:42"
    assert count("42") == 1
    assert count("7") == 0


# --- how long ---


def seconds(milliseconds: Any) -> float:
    return round(int(milliseconds) / 1000)


def test_a_session_has_the_age_of_the_cookie(server: Server) -> None:
    with override_settings(SESSION_COOKIE_AGE=1000):
        assert seconds(info(server, begun(a=1))["idle"]) == 1000


def test_idle_and_lifetime_as_configured(site: Site, server: Server) -> None:
    site(idle=timedelta(minutes=30), lifetime=86400)
    session = begun(a=1)
    assert seconds(info(server, session)["idle"]) == 1800
    assert seconds(info(server, session)["lifetime"]) == 86400
    assert session.get_expiry_age() == 1209600  # what the cookie is told


def test_another_idle_timeout_in_the_settings_is_told_with_the_next_write(site: Site, server: Server) -> None:
    session = begun(a=1)
    site(idle=60)
    other = again(session)
    other["a"] = 2
    other.save()
    assert seconds(info(server, session)["idle"]) == 60


def test_a_number_is_an_idle_timeout(server: Server) -> None:
    session = begun(a=1)
    session.set_expiry(300)
    session.save()
    assert seconds(info(server, session)["idle"]) == 300
    other = again(session)
    other.set_expiry(0)  # until the browser closes; the server cannot see that
    other.save()
    assert seconds(info(server, session)["idle"]) == 1209600
    assert again(session).get_expire_at_browser_close()
    other.set_expiry(None)
    other.save()
    assert seconds(info(server, session)["idle"]) == 1209600


@pytest.mark.parametrize("as_datetime", [True, False])
def test_a_time_is_an_end(server: Server, as_datetime: bool) -> None:
    session = begun(a=1)
    session.set_expiry(timezone.now() + timedelta(hours=1) if as_datetime else timedelta(hours=1))
    session.save()
    said = info(server, session)
    assert said["idle"] is None
    assert abs(int(said["end"]) / 1000 - timezone.now().timestamp() - 3600) < 5
    other = again(session)
    assert 3590 < other.get_expiry_age() <= 3600
    other.set_expiry(None)
    other.save()
    said = info(server, session)
    assert (seconds(said["idle"]), said["end"]) == (1209600, None)


def test_without_time_zones(server: Server) -> None:
    with override_settings(USE_TZ=False):
        session = begun(a=1)
        session.set_expiry(timedelta(hours=1))
        session.save()
        assert abs(int(info(server, session)["end"]) / 1000 - timezone.now().timestamp() - 3600) < 5
        assert again(session)["a"] == 1


@pytest.mark.parametrize("past", [-5, timedelta(seconds=-5)])
def test_an_end_in_the_past_ends_it(server: Server, past: Any) -> None:
    session = begun(a=1)
    session.set_expiry(past)
    session.save()
    assert server.keys() == []
    assert again(session).get("a") is None


@pytest.mark.parametrize("said", ["nonsense", [1], {}])
def test_an_expiry_that_is_none_does_not_keep_a_session_from_being_read(said: Any) -> None:
    session = begun(a=1, _session_expiry=said, _session_lifetime=said)
    other = again(session)
    assert other["a"] == 1
    other["a"] = 2
    other.save()
    assert again(session)["a"] == 2


def test_a_lifetime(server: Server) -> None:
    session = begun(a=1)
    session.set_lifetime(timedelta(hours=8))
    session.save()
    assert seconds(info(server, session)["lifetime"]) == 8 * 3600
    assert seconds(info(server, session)["idle"]) == 1209600
    other = again(session)
    other["a"] = 2
    other.save()
    assert seconds(info(server, session)["lifetime"]) == 8 * 3600
    other.set_lifetime(None)
    other.save()
    assert info(server, session)["lifetime"] is None


def test_of_a_lifetime_and_a_fixed_time_the_earlier_counts(site: Site, server: Server) -> None:
    site(lifetime=3600)
    session = begun(a=1)
    session.set_expiry(timedelta(hours=5))
    session.save()
    assert int(info(server, session)["end"]) / 1000 - timezone.now().timestamp() < 3605
    other = again(session)
    other.set_expiry(timedelta(minutes=5))
    other.save()
    assert int(info(server, session)["end"]) / 1000 - timezone.now().timestamp() < 305
    other.set_expiry(None)
    other.save()
    assert seconds(info(server, session)["lifetime"]) == 3600


def test_reading_keeps_alive_unless_told_otherwise(site: Site, server: Server) -> None:
    session = begun(a=1)
    with server.counting() as calls:
        assert again(session)["a"] == 1
    assert calls == {"session.getex": 1}
    site(sliding=False)
    with server.counting() as calls:
        other = again(session)
        assert other["a"] == 1
    assert calls == {"session.get": 1}
    with server.counting() as calls:
        other.save()
    assert calls == {"session.touch": 1}  # so SESSION_SAVE_EVERY_REQUEST keeps alive


def test_clear_expired_has_nothing_to_do(server: Server) -> None:
    with server.counting() as calls:
        SessionStore.clear_expired()
    assert calls.total() == 0


def test_deleting_a_user_does_not_break_a_session(alice: User, browser: Callable[[], Browser]) -> None:
    visitor = browser()
    visitor.signs_in()
    alice.delete()
    assert visitor.who() == "nobody"
