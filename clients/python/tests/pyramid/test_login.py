"""Login, devices, limits."""

from __future__ import annotations

import pytest
from pyramid.authentication import SessionAuthenticationPolicy

from redis_session_client import SessionLimit
from redis_session_client.pyramid import count, devices, sign_out, sign_out_device
from tests.servers import wait_for

from .sites import Site


@pytest.fixture
def site(server):
    return Site(server)


def session_id(request):
    return request.session.session_id


def info(server, user):
    (key,) = server.command("SESSION.BYUSER", user)
    reply = server.command("SESSION.INFO", key)
    return dict(zip(reply[::2], reply[1::2], strict=True))


def next_millisecond(server):
    """Waits until what follows is later than what was, by the server's clock."""

    def now():
        seconds, microseconds = map(int, server.command("TIME"))
        return seconds * 1000 + microseconds // 1000

    before = now()
    wait_for(lambda: now() > before)


def test_the_user_is_bound_wherever_it_is_set(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    browser.do(lambda request: SessionAuthenticationPolicy().remember(request, "alice"))
    assert server.command("SESSION.COUNT", "alice") == 1
    assert browser.do(lambda request: request.session.user) == "alice"
    browser.do(lambda request: SessionAuthenticationPolicy().forget(request))
    assert server.command("SESSION.COUNT", "alice") == 0
    assert browser.do(lambda request: (request.session.user, request.session["a"])) == (None, 1)


def test_a_write_does_not_undo_the_login_or_logout_of_another_request(server):
    site = Site(server, rotate_on_login="false")
    browser, other = site.browser(), site.browser()
    browser.do(lambda request: request.session.update(a=1))
    other.cookie = browser.cookie

    def while_another(view):
        def slow(request):
            request.session["a"] = request.session["a"] + 1
            other.do(view)

        return slow

    browser.do(while_another(lambda request: request.session.update({"auth.userid": "alice"})))
    assert server.command("SESSION.COUNT", "alice") == 1
    browser.do(while_another(lambda request: request.session.pop("auth.userid")))
    assert server.command("SESSION.COUNT", "alice") == 0


def test_users_may_be_numbers(site, server):
    site.browser().login(7)
    assert server.command("SESSION.COUNT", "7") == 1


def test_a_site_may_keep_its_user_elsewhere(server):
    Site(server, user_field="uid").browser().do(lambda request: request.session.update(uid="alice"))

    def of_account(session):
        return session.get("account", {}).get("name")

    Site(server, user=of_account).browser().do(lambda request: request.session.update(account={"name": "alice"}))
    assert server.command("SESSION.COUNT", "alice") == 2


def test_sites_that_share_a_database_have_users_of_their_own(server):
    shop = Site(server, user_prefix="shop:").browser()
    shop.login()
    assert server.command("SESSION.COUNT", "shop:alice") == 1
    assert shop.do(lambda request: (request.session.user, count(request))) == ("alice", 1)


def test_a_login_gives_the_session_another_id(site):
    browser = site.browser()
    before = browser.do(lambda request: request.session.update(cart=17) or session_id(request))
    fixed = site.browser()
    fixed.cookie = browser.cookie
    browser.login()
    after = browser.do(session_id)
    assert after != before
    assert after[:4] == before[:4]
    assert browser.do(lambda request: request.session["cart"]) == 17
    assert "auth.userid" not in fixed.read()


def test_a_login_begins_the_session_anew(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))
    began = browser.do(lambda request: request.session.created)
    wait_for(lambda: int(server.command("TIME")[0]) > began)

    def login(request):
        before = request.session.created
        request.session["auth.userid"] = "alice"
        request.session.save()
        return before, request.session.created

    before, after = browser.do(login)
    assert before == began < after == browser.do(lambda request: request.session.created)


def test_that_can_be_turned_off(server):
    browser = Site(server, rotate_on_login="false").browser()
    before = browser.do(lambda request: request.session.update(cart=17) or session_id(request))
    browser.login()
    assert browser.do(session_id) == before


def test_a_request_under_way_at_the_login_neither_writes_nor_touches_the_cookie(site):
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))
    slow = site.browser()
    slow.cookie = browser.cookie
    browser.login()
    assert slow.do(lambda request: request.session.pop("cart")) == 17
    assert "Set-Cookie" not in slow.response.headers
    assert browser.do(lambda request: request.session["cart"]) == 17


@pytest.mark.parametrize("began_before", [True, False], ids=["read-before", "read-after"])
def test_nor_does_one_where_the_site_invalidates_before_it_remembers(site, began_before):
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))
    slow = site.browser()
    slow.cookie = browser.cookie

    def login(request):
        request.session.invalidate()
        request.session["auth.userid"] = "alice"

    def under_way(request):
        if began_before:
            assert request.session["cart"] == 17
        browser.do(login)
        request.session["late"] = 1

    slow.do(under_way)
    assert "Set-Cookie" not in slow.response.headers
    held = browser.read()
    assert held.pop("_device")
    assert held == {"auth.userid": "alice"}


@pytest.mark.parametrize(
    ("rotates", "began_before"),
    [("true", True), ("true", False), ("false", True)],
    ids=["read-before", "read-after", "read-before-under-the-same-id"],
)
@pytest.mark.parametrize("message", [None, "Good bye"])
def test_nor_is_a_login_undone_by_a_request_that_invalidates(server, rotates, began_before, message):
    site = Site(server, rotate_on_login=rotates)
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))
    slow, third = site.browser(), site.browser()
    slow.cookie = third.cookie = browser.cookie

    def under_way(request):
        if began_before:
            assert request.session["cart"] == 17
        browser.login()
        request.session.invalidate()
        assert dict(request.session) == {}
        if message:
            request.session.flash(message)

    slow.do(under_way)
    assert "Set-Cookie" not in slow.response.headers
    assert browser.do(lambda request: (request.session.user, request.session["cart"])) == ("alice", 17)
    assert server.command("SESSION.COUNT", "alice") == 1
    # Nor are requests that still bring the old id told to forget it.
    assert third.do(lambda request: request.session["cart"]) == 17
    assert "Set-Cookie" not in third.response.headers


@pytest.mark.parametrize("began_before", [True, False], ids=["read-before", "read-after"])
def test_a_login_after_invalidate_counts_also_where_another_was_faster(site, server, began_before):
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))
    second = site.browser()
    second.cookie = browser.cookie

    def login(request):
        if began_before:
            assert request.session["cart"] == 17
        browser.login()
        request.session.invalidate()
        request.session["auth.userid"] = "bob"

    second.do(login)
    assert browser.do(lambda request: request.session.user) == "alice"
    assert second.do(lambda request: (request.session.user, "cart" in request.session)) == ("bob", False)


def test_what_is_invalidated_ends_also_where_another_request_writes_it(server):
    site = Site(server, rotate_on_login="false")
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))
    other = site.browser()
    other.cookie = browser.cookie

    def under_way(request):
        request.session.invalidate()
        other.do(lambda request: request.session.update(cart=18))

    browser.do(under_way)
    assert "Max-Age=0" in browser.response.headers["Set-Cookie"]
    assert server.keys() == []


def test_a_second_click_on_log_in_gets_a_session_of_its_own(site, server):
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))
    second = site.browser()
    second.cookie = browser.cookie
    browser.login()
    second.login()
    assert server.command("SESSION.COUNT", "alice") == 2
    assert second.do(lambda request: (request.session.user, request.session["cart"])) == ("alice", 17)
    assert browser.do(lambda request: request.session.user) == "alice"


@pytest.mark.parametrize("rotate", ["true", "false"])
def test_a_login_survives_the_end_of_the_session_that_it_began_in(server, rotate):
    browser = Site(server, rotate_on_login=rotate).browser()
    browser.do(lambda request: request.session.update(cart=17))

    def login(request):
        assert request.session["cart"] == 17
        server.command("FLUSHALL")
        request.session["auth.userid"] = "alice"

    browser.do(login)
    held = browser.read()
    assert held.pop("_device")
    assert held == {"auth.userid": "alice"}


def test_a_session_may_get_another_id_at_any_time(site):
    browser = site.browser()
    before = browser.do(lambda request: request.session.update(a=1) or session_id(request))
    browser.do(lambda request: request.session.rotate())
    assert browser.do(session_id) != before
    assert browser.read() == {"a": 1}


def test_devices(site, server):
    phone, laptop = site.browser("Safari"), site.browser("Firefox")
    phone.login()
    next_millisecond(server)
    laptop.login()
    seen = laptop.do(devices)
    assert [device.device["agent"] for device in seen] == ["Firefox", "Safari"]
    assert [device.device["ip"] for device in seen] == ["192.0.2.1"] * 2
    assert [device.current for device in seen] == [True, False]
    assert laptop.do(count) == 2
    other = site.browser()
    other.login("bob")
    assert not other.do(lambda request: sign_out_device(request, seen[1].handle))
    assert laptop.do(lambda request: sign_out_device(request, seen[1].handle))
    assert phone.read() == {}
    assert laptop.do(count) == 1
    assert other.do(lambda request: [device.current for device in devices(request, "alice")]) == [False]


def test_the_device_is_noted_in_a_view_that_saves_by_itself_too(site):
    browser = site.browser()

    def login(request):
        request.session["auth.userid"] = "alice"
        request.session.save()

    browser.do(login)
    assert browser.do(lambda request: devices(request)[0].device["agent"]) == "Firefox"


def test_devices_with_another_serializer(server):
    browser = Site(server, serialize="pickle.dumps", deserialize="pickle.loads").browser()
    browser.login()
    assert browser.do(lambda request: devices(request)[0].device["agent"]) == "Firefox"


def test_a_site_may_note_other_things_or_nothing(server):
    browser = Site(server, device=lambda request: {"language": "en"}).browser()
    browser.login()
    assert browser.do(lambda request: devices(request)[0].device) == {"language": "en"}
    browser = Site(server, device=lambda request: None).browser()
    browser.login("bob")
    assert browser.do(lambda request: devices(request)[0].device) == {"ip": "", "agent": "", "name": ""}


def test_sign_out_of_all_other_devices(site):
    browsers = [site.browser() for _ in range(3)]
    for browser in browsers:
        browser.login()
    assert browsers[0].do(lambda request: sign_out(request, keep_current=True)) == 2
    assert [browser.do(lambda request: request.session.user) for browser in browsers] == ["alice", None, None]


def test_sign_out_everywhere(site, server):
    browsers = [site.browser() for _ in range(3)]
    for browser in browsers:
        browser.login()

    def everywhere(request):
        request.session["late"] = 1
        return sign_out(request)

    assert browsers[0].do(everywhere) == 3
    assert browsers[0].cookie in (None, "")
    assert server.keys() == []


def test_an_administrator_may_sign_out_others(site):
    alice, admin = site.browser(), site.browser()
    alice.login()
    admin.login("admin")
    assert admin.do(lambda request: sign_out(request, "alice")) == 1
    assert alice.read() == {}
    assert admin.do(lambda request: request.session.user) == "admin"


def test_a_visitor_has_no_devices(site):
    browser = site.browser()
    found = browser.do(
        lambda request: (devices(request), count(request), sign_out(request), sign_out_device(request, "x" * 22))
    )
    assert found == ([], 0, 0, False)


@pytest.mark.parametrize("policy", ["oldest", "lru"])
def test_a_cap_on_logins(server, policy):
    site = Site(server, max_sessions="2", on_limit=policy)
    first, second, third = (site.browser() for _ in range(3))
    first.login()
    next_millisecond(server)
    second.login()
    next_millisecond(server)
    first.read()
    third.login()
    left = [browser.do(lambda request: request.session.user) for browser in (first, second, third)]
    assert left == ([None, "alice", "alice"] if policy == "oldest" else ["alice", None, "alice"])


def test_a_refused_login_leaves_the_visitor_as_they_were(server):
    site = Site(server, max_sessions=1, on_limit="reject")
    site.browser().login()
    for visited_before in (True, False):
        browser = site.browser()
        if visited_before:
            browser.do(lambda request: request.session.update(cart=17))

        def login(request):
            request.session["auth.userid"] = "alice"
            try:
                request.session.save()
            except SessionLimit:
                request.session.flash("Sign out somewhere else first")
                return "refused"
            return "logged in"

        assert browser.do(login) == "refused"
        expected = {"_f_": ["Sign out somewhere else first"], **({"cart": 17} if visited_before else {})}
        assert browser.read() == expected
    assert server.command("SESSION.COUNT", "alice") == 1


def test_a_refused_login_after_invalidate_leaves_a_visitor(server):
    site = Site(server, max_sessions=1, on_limit="reject")
    site.browser().login()
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))

    def login(request):
        request.session.invalidate()
        request.session["auth.userid"] = "alice"
        with pytest.raises(SessionLimit):
            request.session.save()

    browser.do(login)
    assert browser.read() == {}


def test_a_refused_login_is_an_exception_view_s_business(server):
    site = Site(server, {SessionLimit: 403}, max_sessions=1, on_limit="reject")
    site.browser().login()
    browser = site.browser()
    browser.do(lambda request: request.session.update(cart=17))
    browser.do(lambda request: request.session.update({"auth.userid": "alice"}), status=403)
    assert browser.response.text.startswith("SessionLimit")
    assert browser.read() == {"cart": 17}


def test_an_end_that_activity_does_not_postpone(server):
    site = Site(server, lifetime="3600")
    browser = site.browser()
    browser.login()
    assert info(server, "alice")["lifetime"] == 3600 * 1000

    def strict(request):
        request.session.set_lifetime(600)

    with server.counting() as calls:
        browser.do(strict)
    assert calls == {"session.getex": 1, "session.set": 1}
    assert info(server, "alice")["lifetime"] == 600 * 1000
    browser.do(lambda request: request.session.set_lifetime(None))
    assert info(server, "alice")["lifetime"] is None


def test_the_end_holds_for_a_login_after_invalidate_too(server):
    browser = Site(server, lifetime=3600, timeout=600).browser()
    browser.do(lambda request: request.session.adjust_timeout_for_session(5))

    def login(request):
        request.session.invalidate()
        request.session["auth.userid"] = "alice"
        return request.session.timeout

    assert browser.do(login) == 600
    found = info(server, "alice")
    assert (found["lifetime"], found["idle"]) == (3600 * 1000, 600 * 1000)


def test_so_does_the_server_s_own(server):
    server.command("CONFIG", "SET", "session.default-lifetime", 3600)
    browser = Site(server).browser()
    browser.do(lambda request: request.session.update(a=1))

    def login(request):
        request.session.invalidate()
        request.session["auth.userid"] = "alice"

    browser.do(login)
    assert info(server, "alice")["lifetime"] == 3600 * 1000


def test_step_up(site, server):
    browser = site.browser()
    browser.login()
    before = browser.do(session_id)
    stolen = site.browser()
    stolen.cookie = browser.cookie
    assert browser.do(lambda request: request.session.stepped_up) is False
    with server.counting() as calls:
        browser.do(lambda request: request.session.step_up(300))
    assert calls == {"session.getex": 1, "session.rotate": 1}
    assert browser.do(lambda request: request.session.stepped_up) is True
    assert browser.do(session_id) != before
    assert stolen.do(lambda request: request.session.stepped_up) is False


def test_a_step_up_is_over_after_its_time_and_with_another_user(site):
    browser = site.browser()
    browser.login()
    browser.do(lambda request: request.session.step_up(-1))
    assert browser.do(lambda request: request.session.stepped_up) is False
    browser.do(lambda request: request.session.step_up(300))
    browser.login("bob")
    assert browser.do(lambda request: request.session.stepped_up) is False
