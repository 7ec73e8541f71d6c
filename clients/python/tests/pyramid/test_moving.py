"""From pyramid_redis_sessions to this package, and back, without logging anybody out."""

from __future__ import annotations

import json

import pytest

from redis_session_client.pyramid import RedisSessionFactory, RollbackSessionFactory, count

from .old import pyramid_redis_sessions
from .sites import Site


class OldSite(Site):
    """The same site with another session factory."""

    def __init__(self, factory):
        self.factory = factory
        super().__init__(None)

    def configure(self, config):
        config.set_session_factory(self.factory)


def old_factory(server, **options):
    client = server.client(decode_responses=False)
    return pyramid_redis_sessions.RedisSessionFactory("secret", client_callable=lambda request, **_: client, **options)


@pytest.fixture
def old(server):
    return OldSite(old_factory(server))


def go_on(browser, site):
    """The same browser, at the site after the change."""
    after = site.browser()
    after.cookie = browser.cookie
    return after


def test_who_is_logged_in_stays_so(old, server):
    browser = old.browser()
    browser.do(lambda request: request.session.update({"auth.userid": "alice", "cart": {"items": [1]}}))
    browser.do(lambda request: request.session.adjust_timeout_for_session(300))
    site = Site(server, migrate_from="pyramid_redis_sessions")
    after = go_on(browser, site)
    assert after.do(lambda request: (request.session.new, dict(request.session), request.session.timeout)) == (
        False,
        {"auth.userid": "alice", "cart": {"items": [1]}},
        300,
    )
    assert "Set-Cookie" not in after.response.headers
    assert after.do(count) == 1
    (key,) = server.keys()
    assert server.command("TYPE", key) == "sess-hash"
    after.do(lambda request: request.session["cart"]["items"].append(2))
    assert after.read()["cart"] == {"items": [1, 2]}


@pytest.mark.parametrize("policy", ["oldest", "reject"])
def test_a_new_cap_is_for_new_logins(old, server, policy):
    browsers = [old.browser(), old.browser()]
    for browser in browsers:
        browser.login()
    site = Site(server, migrate_from=True, max_sessions=1, on_limit=policy)
    after = [go_on(browser, site) for browser in browsers]
    assert [browser.read() for browser in after] == [{"auth.userid": "alice"}] * 2


def test_the_old_session_is_looked_for_once(old, server):
    browser = old.browser()
    browser.login()
    after = go_on(browser, Site(server, migrate_from=True))
    with server.counting() as calls:
        after.read()
    assert calls == {"session.getex": 1, "get": 1, "session.set": 1, "del": 1}
    with server.counting() as calls:
        after.read()
    assert calls == {"session.getex": 1}


def test_ids_with_a_prefix(server):
    browser = OldSite(
        pyramid_redis_sessions.session_factory_from_settings(
            {
                "redis.sessions.secret": "secret",
                "redis.sessions.prefix": "session:",
                "redis.sessions.client_callable": lambda request, **_: server.client(decode_responses=False),
            }
        )
    ).browser()
    browser.login()
    after = go_on(browser, Site(server, prefix="session:", migrate_from=True))
    assert after.read() == {"auth.userid": "alice"}
    assert after.read() == {"auth.userid": "alice"}
    after.do(lambda request: request.session.rotate())
    assert after.read() == {"auth.userid": "alice"}


def test_another_serializer(server):
    browser = OldSite(old_factory(server, serialize=json.dumps, deserialize=json.loads)).browser()
    browser.login()
    site = Site(server, serialize=json.dumps, deserialize=json.loads, migrate_from=True)
    assert go_on(browser, site).read() == {"auth.userid": "alice"}


def test_from_another_server(old, server, cluster):
    browser = old.browser()
    browser.login()
    site = Site(None, url=cluster.url, cluster="true", migrate_from=server.url)
    after = go_on(browser, site)
    assert after.read() == {"auth.userid": "alice"}
    assert server.keys() == []
    assert after.read() == {"auth.userid": "alice"}


def test_two_requests_at_a_time_both_go_on(old, server):
    browser = old.browser()
    browser.login()
    site = Site(server, migrate_from=True)
    first, second = go_on(browser, site), go_on(browser, site)
    client = server.client(decode_responses=False)
    ask = client.execute_command
    seen: list[object] = []

    def slow(*args, **options):
        reply = ask(*args, **options)
        client.execute_command = ask
        seen.append(second.do(lambda request: dict(request.session)))
        return reply

    client.execute_command = slow
    site.registry._redis_sessions = client
    assert first.read() == {"auth.userid": "alice"}
    assert seen == [{"auth.userid": "alice"}]
    assert len(server.keys()) == 1


def test_whatever_the_client_makes_of_replies(old, server, client_options):
    browser = old.browser()
    browser.login()
    site = Site(None, client=server.client(**client_options), migrate_from=True)
    assert go_on(browser, site).read() == {"auth.userid": "alice"}


def test_what_ended_there_does_not_begin_here(old, server):
    browser = old.browser()
    browser.login()
    server.command("FLUSHALL")
    assert go_on(browser, Site(server, migrate_from=True)).read() == {}


@pytest.mark.parametrize("more", [{}, {"migrate_from": "false"}, {"migrate_from": ""}])
def test_without_the_setting_the_old_session_is_not_looked_for(old, server, more):
    browser = old.browser()
    browser.login()
    with server.counting() as calls:
        assert go_on(browser, Site(server, **more)).read() == {}
    assert calls["get"] == 0


def test_and_back(server):
    new = Site(server)
    browser = new.browser()
    browser.login()
    browser.do(lambda request: request.session.update(cart={"items": [1]}))
    browser.do(lambda request: request.session.adjust_timeout_for_session(300))
    factory = RollbackSessionFactory(old_factory(server), RedisSessionFactory("secret", url=server.url))
    after = go_on(browser, OldSite(factory))
    held = after.read()
    assert held.pop("_device")
    assert held == {"auth.userid": "alice", "cart": {"items": [1]}}
    assert server.command("SESSION.COUNT", "alice") == 0
    after.do(lambda request: request.session.update({"more": 1}))
    assert after.do(lambda request: (request.session["more"], request.session.timeout)) == (1, 300)
    # Later the site goes on with the old package alone.
    finally_old = go_on(after, OldSite(old_factory(server)))
    assert finally_old.do(lambda request: request.session["auth.userid"]) == "alice"


def test_the_way_back_keeps_what_the_old_store_has(old, server):
    browser = old.browser()
    browser.login()
    factory = RollbackSessionFactory(old_factory(server), RedisSessionFactory("secret", url=server.url))
    assert go_on(browser, OldSite(factory)).read() == {"auth.userid": "alice"}
    assert OldSite(factory).browser().read() == {}


def test_there_and_back_and_there(old, server):
    browser = old.browser()
    browser.login()
    site = Site(server, migrate_from=True)
    there = go_on(browser, site)
    assert there.do(lambda request: request.session["auth.userid"]) == "alice"
    factory = RollbackSessionFactory(old_factory(server), RedisSessionFactory("secret", url=server.url))
    back = go_on(there, OldSite(factory))
    assert back.do(lambda request: request.session["auth.userid"]) == "alice"
    again = go_on(back, site)
    assert again.do(lambda request: request.session["auth.userid"]) == "alice"
