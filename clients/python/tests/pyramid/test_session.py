"""The session as an application uses it."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from pyramid.interfaces import IDict, ISession
from zope.interface.verify import verifyObject

from redis_session_client.pyramid import RedisSession

from .sites import Site


@pytest.fixture
def site(server):
    return Site(server)


def test_it_is_a_session_of_pyramid(site):
    def view(request):
        verifyObject(ISession, request.session)
        verifyObject(IDict, request.session)
        return type(request.session)

    assert site.browser().do(view) is RedisSession


def test_what_is_set_is_there_at_the_next_request(site):
    browser = site.browser()
    values = {
        "text": "é\n",
        "int": 1,
        "float": 1.5,
        "yes": True,
        "none": None,
        "list": [1, {"a": []}],
        "dict": {"b": 2},
    }
    browser.do(lambda request: request.session.update(values))
    assert browser.read() == values


def test_what_json_cannot_carry_comes_back(site):
    browser = site.browser()
    browser.do(lambda request: request.session.update(nan=math.nan, infinite=math.inf))
    assert str(browser.read()) == "{'nan': nan, 'infinite': inf}"


def test_every_way_of_writing_is_kept(site):
    browser = site.browser()

    def view(request):
        session = request.session
        session["a"] = 1
        session.update({"b": 2}, c=3)
        session.setdefault("d", []).append(4)
        session |= {"e": 5, "f": 6, "g": 7}
        del session["a"]
        assert session.pop("b") == 2
        assert session.pop("nothing") is None
        assert session.pop("nothing", 8) == 8
        assert session.popitem() == ("g", 7)

    browser.do(view)
    assert browser.read() == {"c": 3, "d": [4], "e": 5, "f": 6}
    browser.do(lambda request: request.session.pop("c"))
    browser.do(lambda request: request.session.setdefault("c", 9))
    assert browser.read() == {"d": [4], "e": 5, "f": 6, "c": 9}
    browser.do(lambda request: request.session.clear())
    assert browser.read() == {}


def test_nested_changes_are_found_by_themselves(site):
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart={"items": [1]}, other=1))
    browser.do(lambda request: request.session["cart"]["items"].append(2))
    assert browser.read()["cart"] == {"items": [1, 2]}


def test_values_of_another_type_are_changes(site):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1, b=1))
    browser.do(lambda request: request.session.update(a=True, b=1.0))
    assert str(browser.read()) == "{'a': True, 'b': 1.0}"


def test_the_methods_of_pyramid_redis_sessions(site):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1, b=2))

    def view(request):
        session = request.session
        assert session.has_key("a")
        assert not session.has_key("c")
        assert list(session.iterkeys()) == ["a", "b"]
        assert list(session.itervalues()) == [1, 2]
        assert list(session.iteritems()) == [("a", 1), ("b", 2)]
        assert session.managed_dict == {"a": 1, "b": 2}
        session["c"] = 3
        held = session.from_redis()
        assert held == {"managed_dict": {"a": 1, "b": 2, "c": 3}, "created": session.created, "timeout": 1200}
        return session.redis.ping()

    assert browser.do(view) is True


def test_flash_messages_are_shown_once(site):
    browser = site.browser()

    def flash(request):
        request.session.flash("one")
        request.session.flash("one")
        request.session.flash("one", allow_duplicate=False)
        request.session.flash("two", "errors")

    browser.do(flash)
    assert browser.do(lambda request: request.session.peek_flash()) == ["one", "one"]
    assert browser.do(lambda request: request.session.pop_flash()) == ["one", "one"]
    assert browser.do(lambda request: request.session.pop_flash()) == []
    assert browser.do(lambda request: request.session.pop_flash("errors")) == ["two"]
    assert browser.read() == {}


def test_a_csrf_token_stays_until_there_is_another(site):
    browser = site.browser()
    token = browser.do(lambda request: request.session.get_csrf_token())
    assert len(token) == 40
    assert browser.do(lambda request: request.session.get_csrf_token()) == token
    other = browser.do(lambda request: request.session.new_csrf_token())
    assert other != token
    assert browser.do(lambda request: request.session.get_csrf_token()) == other


def test_new_and_created(site, server):
    browser = site.browser()
    now = int(server.command("TIME")[0])

    def facts(request):
        return request.session.new, request.session.created, request.session.session_id

    was_new, created, session_id = browser.do(facts)
    assert was_new
    assert now <= created <= now + 5
    assert browser.do(facts) == (False, created, session_id)


def test_timeout_of_one_session(site, server):
    browser = site.browser()
    assert browser.do(lambda request: request.session.timeout) == 1200

    def adjust(request):
        request.session.adjust_timeout_for_session(60)
        return request.session.timeout

    with server.counting() as calls:
        assert browser.do(adjust) == 60
    assert calls == {"session.getex": 1, "session.set": 1}
    assert browser.do(lambda request: request.session.timeout) == 60
    browser.do(lambda request: request.session.update(a=1))
    assert browser.do(lambda request: request.session.timeout) == 60
    browser.do(lambda request: request.session.adjust_timeout_for_session(timedelta(minutes=2)))
    assert browser.do(lambda request: request.session.timeout) == 120
    browser.do(lambda request: request.session.adjust_timeout_for_session(None))
    assert browser.do(lambda request: request.session.timeout) is None
    assert server.command("TTL", server.keys()[0]) == -1


def test_the_timeout_of_a_session_is_not_that_of_the_next(site):
    def view(request):
        session = request.session
        session.adjust_timeout_for_session(60)
        session.save()
        session.invalidate()
        session["b"] = 2
        session.save()
        return session.timeout

    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    assert browser.do(view) == 1200
    assert browser.do(lambda request: request.session.timeout) == 1200


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_timeout_that_is_over_ends_the_session(site, server, seconds):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    browser.do(lambda request: request.session.adjust_timeout_for_session(seconds))
    assert server.keys() == []
    assert browser.read() == {}


def test_timeouts_past_ten_years_are_ten_years(server):
    browser = Site(server, timeout=10**12).browser()
    browser.do(lambda request: request.session.update(a=1))
    assert server.command("TTL", server.keys()[0]) == 315360000


def test_invalidate(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    former = browser.cookie

    def view(request):
        request.session.invalidate()
        assert dict(request.session) == {}
        assert request.session.get("a") is None

    browser.do(view)
    assert "Max-Age=0" in browser.response.headers["Set-Cookie"]
    assert server.keys() == []
    browser.cookie = former
    assert browser.read() == {}


def test_what_is_set_after_invalidate_begins_another_session(site, server):
    browser = site.browser()
    first = browser.do(lambda request: request.session.update(a=1) or request.session.session_id)

    def view(request):
        request.session.invalidate()
        request.session["b"] = 2
        return request.session.new, request.session.session_id

    was_new, second = browser.do(view)
    assert was_new
    assert second != first
    assert browser.do(lambda request: (dict(request.session), request.session.session_id)) == ({"b": 2}, second)


def test_a_session_of_a_user_ends_at_once_by_invalidate(site, server):
    browser = site.browser()
    browser.login()

    def view(request):
        request.session.invalidate()
        keys = server.keys()
        request.session.flash("Good bye")
        return keys

    assert browser.do(view) == []
    assert browser.read() == {"_f_": ["Good bye"]}


def test_a_logout_of_a_site_that_does_not_tell_its_users_is_one_at_once(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(member=7))
    stolen = site.browser()
    stolen.cookie = browser.cookie

    def logout(request):
        request.session.invalidate()
        request.session.flash("Good bye")

    browser.do(logout)
    assert stolen.read() == {}


def test_what_was_invalidated_ends_whatever_becomes_of_the_request(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(member=7))

    def logout(request):
        request.session.invalidate()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        browser.do(logout)
    assert server.keys() == []


def test_a_session_that_was_not_touched_has_a_cookie_too(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.new)
    assert browser.cookie
    assert browser.do(lambda request: request.session.new) is False


def test_a_request_that_does_not_ask_for_it_has_no_session(site, server):
    browser = site.browser()
    with server.counting() as calls:
        browser.do(lambda request: "nothing")
    assert (calls.total(), browser.cookie) == (0, None)
