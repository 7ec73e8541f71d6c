"""What goes wrong, and what the site's visitors see of it."""

from __future__ import annotations

import time

import pytest
import redis

from redis_session_client import ModuleMissing, SessionConflict, SessionTooLarge, WrongType
from redis_session_client.pyramid import devices

from .lossy import LossyWay
from .sites import Site

DOWN = {redis.ConnectionError: 503, redis.TimeoutError: 503}


def test_a_server_that_is_down_is_an_exception_view_s_business(server):
    browser = Site(server, DOWN).browser()
    browser.do(lambda request: request.session.update(a=1))
    cookie = browser.cookie
    server.stop()
    browser.do(lambda request: request.session.get("a"), status=503)
    assert "Set-Cookie" not in browser.response.headers
    assert browser.cookie == cookie
    server.start()
    browser.do(lambda request: request.session.get("a"))


def test_so_is_one_that_goes_down_before_the_session_is_written(server):
    browser = Site(server, DOWN).browser()
    browser.do(lambda request: request.session.update(a=1))

    def view(request):
        request.session["a"] = 2
        server.stop()

    browser.do(view, status=503)
    assert browser.response.text.startswith("ConnectionError")
    server.start()


def test_without_an_exception_view_the_error_is_raised(server):
    browser = Site(server).browser()

    def view(request):
        request.session["a"] = 2
        server.stop()

    with pytest.raises(redis.ConnectionError):
        browser.do(view)
    server.start()


def test_a_request_waits_no_longer_than_the_timeout(server):
    browser = Site(server, DOWN, socket_timeout="0.3").browser()
    browser.do(lambda request: request.session.update(a=1))
    server.command("CLIENT", "PAUSE", 5000, "ALL")
    began = time.monotonic()
    browser.do(lambda request: request.session.get("a"), status=503)
    assert time.monotonic() - began < 2
    server.command("CLIENT", "UNPAUSE")
    assert browser.read() == {"a": 1}


def test_nor_does_it_wait_again_where_its_exception_view_asks_for_the_session(server):
    browser = Site(server, DOWN, socket_timeout="0.6").browser()
    browser.do(lambda request: request.session.update(a=1))
    server.command("CLIENT", "PAUSE", 5000, "ALL")

    def asks_again(request):
        errors = []
        for _ in range(5):
            with pytest.raises(redis.TimeoutError) as raised:
                request.session.get("a")
            errors.append(raised.value)
        return errors

    began = time.monotonic()
    errors = browser.do(asks_again)
    assert time.monotonic() - began < 2  # and not five times 0.6
    assert all(error is errors[0] for error in errors)
    server.command("CLIENT", "UNPAUSE")
    assert browser.read() == {"a": 1}


def test_a_server_without_the_module_says_what_to_do(bare_server):
    browser = Site(bare_server, {ModuleMissing: 500}).browser()
    browser.do(lambda request: request.session.update(a=1), status=500)
    assert "has not loaded the redis-session module" in browser.response.text


def test_a_site_may_learn_that_at_its_start(server, bare_server):
    Site(server, check_at_start="true")
    with pytest.raises(ModuleMissing, match="has not loaded the redis-session module"):
        Site(bare_server, check_at_start="true")
    Site(bare_server, check_at_start="false")
    server.stop()
    with pytest.raises(redis.ConnectionError):
        Site(server, check_at_start="true")
    server.start()


def test_something_else_under_the_prefix(server):
    browser = Site(server, {WrongType: 500}).browser()
    browser.do(lambda request: request.session.update(a=1))
    (key,) = server.keys()
    server.command("SET", key, "a string")
    browser.do(lambda request: request.session.get("a"), status=500)
    assert "prefix" in browser.response.text
    assert server.command("GET", key) == "a string"


def test_a_session_that_is_too_large(server):
    server.command("CONFIG", "SET", "session.max-bytes", 1000)
    browser = Site(server, {SessionTooLarge: 507}).browser()
    browser.do(lambda request: request.session.update(a=1))
    browser.do(lambda request: request.session.update(b="x" * 2000), status=507)
    assert "session.max-bytes" in browser.response.text
    assert browser.read() == {"a": 1}


def test_a_server_out_of_memory_lets_people_read_and_log_out(server):
    browser = Site(server, {redis.exceptions.OutOfMemoryError: 503}).browser()
    browser.do(lambda request: request.session.update(a=1))
    server.command("CONFIG", "SET", "maxmemory", 1)
    assert browser.read() == {"a": 1}
    browser.do(lambda request: request.session.update(a=2), status=503)
    assert browser.read() == {"a": 1}
    browser.do(lambda request: request.session.invalidate())
    assert server.keys() == []


def test_with_strict_conflicts_the_later_of_two_is_told(server):
    site = Site(server, {SessionConflict: 409}, conflict="strict")
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    other = site.browser()
    other.cookie = browser.cookie

    def slow(request):
        request.session["a"] = 2
        other.do(lambda request: request.session.update(b=2))

    browser.do(slow, status=409)
    assert browser.read() == {"a": 1, "b": 2}


def test_a_session_that_was_saved_keeps_its_cookie_when_a_later_write_fails(server):
    browser = Site(server, DOWN).browser()
    browser.do(lambda request: request.session.update(a=1))
    before = browser.cookie

    def login(request):
        request.session["auth.userid"] = "alice"
        request.session.save()
        request.session["b"] = 2
        server.stop()

    browser.do(login, status=503)
    assert "session=" in browser.response.headers["Set-Cookie"]
    assert browser.cookie not in (None, "", before)
    server.start()


@pytest.fixture
def lossy(server):
    """Makes a site to which replies to a command get lost: lossy("SESSION.ROTATE", times=1)."""
    ways = []

    def make(command, times=1):
        ways.append(LossyWay(server.port, command, times))
        return Site(None, DOWN, url=ways[-1].url), ways[-1]

    yield make
    for way in ways:
        way.close()


@pytest.mark.parametrize("times", [1, 5])
def test_a_lost_reply_to_a_rotation(lossy, times):
    site, way = lossy("SESSION.ROTATE", times)
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))
    browser.do(lambda request: request.session.update({"auth.userid": "alice"}), status=200 if times == 1 else 503)
    assert way.times == (0 if times == 1 else 3)
    way.times = 0
    if times > 1:
        # The browser has not learned the new id. Its old one still reads; the visitor tries again, and is logged in.
        assert browser.do(lambda request: request.session["cart"]) == 17
        browser.login()
    assert browser.do(lambda request: (request.session.user, request.session["cart"])) == ("alice", 17)


def test_a_lost_reply_to_the_first_write(lossy, server):
    site, way = lossy("SESSION.SET")
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    assert way.times == 0
    assert browser.read() == {"a": 1}
    assert len(server.keys()) == 1


def test_a_lost_reply_to_a_write(lossy):
    site, way = lossy("NOTHING")
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    way.command, way.times = b"SESSION.SET", 1
    browser.do(lambda request: request.session.update(a=2))
    assert way.times == 0
    assert browser.read() == {"a": 2}


def test_a_lost_reply_to_a_read(lossy):
    site, way = lossy("SESSION.GETEX")
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    assert browser.read() == {"a": 1}
    assert way.times == 0


def test_helpers_say_so_where_the_sessions_are_not_ours():
    class Request:
        session: dict[str, str] = {}  # noqa: RUF012

    with pytest.raises(TypeError, match="redis_session_client"):
        devices(Request())


def test_what_cannot_be_decoded_is_no_session(server, caplog):
    before = Site(server, serialize="pickle.dumps", deserialize="pickle.loads").browser()
    before.login()
    site = Site(server)
    browser = site.browser()
    browser.cookie = before.cookie
    assert browser.read() == {}
    assert "could not be decoded" in caplog.text
    browser.login()
    assert browser.cookie != before.cookie
    assert browser.do(lambda request: len(devices(request))) == 2
