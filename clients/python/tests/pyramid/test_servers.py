"""Behind Sentinel and in a cluster of three primaries."""

from __future__ import annotations

import redis

from redis_session_client.pyramid import count, devices, sign_out, sign_out_device
from tests.servers import wait_for

from .sites import Site


def through_a_life_of_sessions(site):
    """What a site does, from the first visit to the sign-out everywhere; the devices are on all primaries."""
    visitor = site.browser()
    visitor.do(lambda request: request.session.update(cart={"items": [1]}))
    visitor.do(lambda request: request.session["cart"]["items"].append(2))
    visitor.login("bob")
    assert visitor.do(lambda request: (request.session.user, request.session["cart"])) == ("bob", {"items": [1, 2]})

    browsers = [site.browser(f"Browser {n}") for n in range(8)]
    for browser in browsers:
        browser.login()
    first = browsers[0]
    seen = first.do(devices)
    assert sorted(device.device["agent"] for device in seen) == [f"Browser {n}" for n in range(8)]
    assert [device.device["agent"] for device in seen if device.current] == ["Browser 0"]
    last = next(device for device in seen if device.device["agent"] == "Browser 7")
    assert first.do(lambda request: sign_out_device(request, last.handle))
    assert browsers[7].read() == {}
    assert first.do(count) == 7
    assert first.do(lambda request: sign_out(request, keep_current=True)) == 6
    assert [browser.do(lambda request: request.session.user) for browser in browsers] == ["alice", *[None] * 7]
    assert first.do(sign_out) == 1
    assert visitor.do(lambda request: request.session.user) == "bob"


def test_a_cluster(cluster):
    site = Site(None, url=cluster.url, cluster="true")
    through_a_life_of_sessions(site)
    assert isinstance(site.registry._redis_sessions, redis.RedisCluster)


def test_a_cluster_by_host_and_port(cluster):
    browser = Site(None, host="127.0.0.1", port=str(cluster.port), cluster="true").browser()
    browser.do(lambda request: request.session.update(a=1))
    assert browser.read() == {"a": 1}


def test_a_cluster_with_a_client_of_the_site(cluster, client_options):
    through_a_life_of_sessions(Site(None, client=cluster.client(**client_options)))


def test_a_request_to_a_cluster_is_one_command_too(cluster):
    browser = Site(None, url=cluster.url, cluster="true").browser()
    browser.do(lambda request: request.session.update(a=1))
    with cluster.counting() as calls:
        browser.login()
    assert calls == {"session.getex": 1, "session.rotate": 1}
    with cluster.counting() as calls:
        browser.read()
    assert calls == {"session.getex": 1}


def test_a_cap_in_a_cluster(cluster):
    site = Site(None, url=cluster.url, cluster="true", max_sessions=2)
    browsers = [site.browser() for _ in range(5)]
    for browser in browsers:
        browser.login()
    assert browsers[4].do(count) == 2


def test_sentinel(sentinel):
    site = Site(None, sentinels="{}:{}".format(*sentinel.address), sentinel_service=sentinel.name)
    through_a_life_of_sessions(site)


def test_a_failover_in_the_middle_of_a_request(sentinel):
    failed = {redis.ConnectionError: 503, redis.TimeoutError: 503, redis.exceptions.ReadOnlyError: 503}
    site = Site(None, failed, sentinels=[sentinel.address], sentinel_service=sentinel.name, socket_timeout="1")
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))

    def view(request):
        request.session["a"] = 2
        wait_for(lambda: sentinel.primary().command("WAIT", 1, 100) == 1)
        sentinel.failover()

    def visit(view):
        seen = []
        site.view = lambda request: seen.append(view(request))
        response = browser.app.get("/", status="*")
        assert response.status_int in (200, 503), response.text
        return seen[0] if response.status_int == 200 else None

    visit(view)
    # Whether that write was carried out or refused, the session is there, and can be written.
    wait_for(lambda: visit(lambda request: request.session.get("a")) in (1, 2))
    wait_for(lambda: visit(lambda request: request.session.update(a=3) or "written") == "written")
    assert browser.read() == {"a": 3}
