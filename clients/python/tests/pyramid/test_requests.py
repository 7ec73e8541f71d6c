"""What a request costs, and what happens to requests side by side."""

from __future__ import annotations

import pytest

from .sites import Site

TWENTY = {f"key{n}": n for n in range(20)}


@pytest.fixture
def site(server):
    return Site(server)


def test_reading_is_one_command(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(TWENTY))
    with server.counting() as calls:
        browser.do(lambda request: [request.session[key] for key in TWENTY])
    assert calls == {"session.getex": 1}
    assert "Set-Cookie" not in browser.response.headers


def test_reading_nested_values_is_one_command(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart={"items": [1]}))
    with server.counting() as calls:
        browser.do(lambda request: request.session["cart"]["items"][0])
    assert calls == {"session.getex": 1}


def test_so_is_reading_of_who_is_logged_in(site, server):
    browser = site.browser()
    browser.login()
    with server.counting() as calls:
        browser.do(lambda request: request.session["auth.userid"])
    assert calls == {"session.getex": 1}


def test_what_is_seldom_asked_for_is_not_read_with_each_request(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    with server.counting() as calls:
        browser.do(lambda request: (request.session.created, request.session.timeout, request.session.created))
    assert calls == {"session.getex": 2}


def test_writing_is_two_commands(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))

    def fill(request):
        for key, value in TWENTY.items():
            request.session[key] = value

    with server.counting() as calls:
        browser.do(fill)
    assert calls == {"session.getex": 1, "session.set": 1}


def test_a_new_session_is_one_command(site, server):
    with server.counting() as calls:
        site.browser().do(lambda request: request.session.update(TWENTY))
    assert calls == {"session.set": 1}


def test_setting_what_is_there_already_writes_nothing(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    with server.counting() as calls:
        browser.do(lambda request: request.session.update(a=1))
    assert calls == {"session.getex": 1}


def test_logging_in_is_at_most_three_commands(site, server):
    browser = site.browser()
    with server.counting() as calls:
        browser.login()
    assert calls == {"session.set": 1}
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=1))
    with server.counting() as calls:
        browser.login()
    assert calls == {"session.getex": 1, "session.rotate": 1}

    def with_invalidate(request):
        request.session.invalidate()
        request.session["auth.userid"] = "bob"

    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=1))
    with server.counting() as calls:
        browser.do(with_invalidate)
    assert calls == {"session.getex": 1, "session.rotate": 1}
    with server.counting() as calls:
        browser.do(with_invalidate)
    assert calls == {"session.getex": 1, "session.del": 1, "session.set": 1}


def test_logging_out_is_two_commands(site, server):
    browser = site.browser()
    browser.login()
    with server.counting() as calls:
        browser.do(lambda request: request.session.invalidate())
    assert calls == {"session.getex": 1, "session.del": 1}


def test_two_tabs_keep_what_each_has_written(site):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1, b=1))
    other = site.browser()
    other.cookie = browser.cookie

    def slow(request):
        request.session["a"] = 2
        other.do(lambda request: request.session.update(b=2))

    browser.do(slow)
    assert browser.read() == {"a": 2, "b": 2}


def test_clear_drops_what_the_other_tab_has_written(site):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    other = site.browser()
    other.cookie = browser.cookie

    def slow(request):
        request.session.clear()
        request.session["c"] = 3
        other.do(lambda request: request.session.update(b=2))

    browser.do(slow)
    assert browser.read() == {"c": 3}


def test_a_session_that_ended_meanwhile_does_not_come_back(site, server):
    browser = site.browser()
    browser.login()
    other = site.browser()
    other.cookie = browser.cookie

    def slow(request):
        request.session["a"] = 2
        other.do(lambda request: request.session.invalidate())

    browser.do(slow)
    assert server.keys() == []
    assert browser.read() == {}


def test_later_callbacks_may_change_the_session_still(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))

    def view(request):
        request.session["a"] = 2
        request.add_response_callback(lambda request, response: request.session.update(b=3))

    with server.counting() as calls:
        browser.do(view)
    assert calls == {"session.getex": 1, "session.set": 1}
    assert browser.read() == {"a": 2, "b": 3}


def test_an_explicit_save_is_the_one_write(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))

    def view(request):
        request.session["a"] = {"b": 2}
        request.session.save()

    with server.counting() as calls:
        browser.do(view)
    assert calls == {"session.getex": 1, "session.set": 1}
    assert browser.read() == {"a": {"b": 2}}


def test_reading_keeps_the_session_alive_unless_that_is_off(server):
    for sliding, command in (("true", "session.getex"), ("false", "session.get")):
        browser = Site(server, sliding=sliding).browser()
        browser.do(lambda request: request.session.update(a=1))
        with server.counting() as calls:
            browser.read()
        assert calls == {command: 1}


def test_an_id_that_somebody_made_up_begins_a_session_of_its_own(site, server):
    browser = site.browser()
    for value in ("", "nonsense", "a" * 40 + "!!", "é", "a" * 5000):
        browser.app.reset()
        with server.counting() as calls:
            browser.site.view = lambda request: request.session.new
            response = browser.app.get("/", headers={"Cookie": f"session={value}".encode().decode("latin-1")})
        assert response.text == "True"
        assert calls == {"session.set": 1}


def test_a_cookie_of_another_secret_is_none_of_ours(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    other = Site(server, secret="other").browser()
    other.cookie = browser.cookie
    assert other.read() == {}


def test_ids_are_hashed_in_the_server(site, server):
    session_id = site.browser().do(lambda request: request.session.update(a=1) or request.session.session_id)
    (key,) = server.keys()
    assert key.startswith("sess:{" + session_id[:4] + "}")
    assert session_id not in key


def test_or_not_where_a_site_says_so(server):
    browser = Site(server, hash_keys="false", prefix="shop:").browser()
    session_id = browser.do(lambda request: request.session.update(a=1) or request.session.session_id)
    assert server.keys() == ["shop:" + session_id]
