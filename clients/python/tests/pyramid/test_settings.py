"""Settings, as text from a settings file and as Python values."""

from __future__ import annotations

import itertools
import json
import pickle
from datetime import datetime, timezone

import pytest
import redis
from pyramid import testing
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from redis_session_client.pyramid import RedisSessionFactory, get_default_connection, session_factory_from_settings

from .sites import Site

numbers = itertools.count()


def made_up_id():
    """What `redis.sessions.id_generator` names in a test below."""
    return f"made-up-{next(numbers):04}"


def client_of_server(request, **options):
    """What `redis.sessions.client_callable` names in a test below."""
    assert options["socket_timeout"] == 2.5
    return request.registry.client


def test_secret_is_required():
    with pytest.raises(ConfigurationError, match="secret is a required setting"):
        session_factory_from_settings({"redis.sessions.timeout": "60"})
    with pytest.raises(ConfigurationError, match="secret is a required setting"):
        session_factory_from_settings({"redis.sessions.secret": ""})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tiemout", "60", "redis.sessions.tiemout is no setting"),
        ("timeout", "soon", "redis.sessions.timeout is a number"),
        ("port", "x", "redis.sessions.port is a number"),
        ("max_sessions", "0", "max_sessions is 1 or more"),
        ("on_limit", "newest", "on_limit"),
        ("conflict", "maybe", "conflict"),
        ("migrate_from", "beaker", "migrate_from is pyramid_redis_sessions, or the URL"),
        ("rotation_grace", "301", "rotation_grace is 0 to 300"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(name, value, said):
    with pytest.raises(ConfigurationError, match=said):
        session_factory_from_settings({"redis.sessions.secret": "s", f"redis.sessions.{name}": value})


def test_settings_of_others_are_left_alone(server):
    factory = session_factory_from_settings(
        {"redis.sessions.secret": "s", "redis.sessions.url": server.url, "redis.other": "x", "pyramid.reload": "true"}
    )
    assert isinstance(factory, RedisSessionFactory)


def test_text_becomes_what_it_stands_for(server):
    site = Site(
        server,
        timeout="600",
        lifetime="",
        cookie_name="sid",
        cookie_max_age="3600",
        cookie_path="/",
        cookie_secure="true",
        cookie_httponly="false",
        cookie_samesite="Strict",
        rotation_grace="2.5",
    )
    browser = site.browser()
    assert browser.do(lambda request: request.session.timeout) == 600
    cookie = browser.response.headers["Set-Cookie"]
    assert cookie.startswith("sid=")
    assert "Max-Age=3600" in cookie
    assert "; secure" in cookie.lower()
    assert "httponly" not in cookie.lower()
    assert "SameSite=Strict" in cookie


def test_without_a_timeout_the_server_s_default_holds(server):
    server.command("CONFIG", "SET", "session.default-timeout", 777)
    browser = Site(server, timeout="").browser()
    browser.do(lambda request: request.session.update(a=1))
    assert browser.do(lambda request: request.session.timeout) == 777

    def of_a_new_one(request):
        request.session.save()
        return request.session.timeout

    assert Site(server, timeout="").browser().do(of_a_new_one) == 777


def test_host_and_port(server):
    browser = Site(None, host="127.0.0.1", port=str(server.port), db="1").browser()
    browser.do(lambda request: request.session.update(a=1))
    assert server.keys() == []
    assert browser.read() == {"a": 1}


def test_one_client_for_all_requests(server):
    site = Site(server)
    clients = [site.browser().do(lambda request: request.session.redis) for _ in range(2)]
    assert clients[0] is clients[1] is site.registry._redis_sessions


def test_a_client_of_the_site(server, client_options):
    client = server.client(**client_options)
    browser = Site(None, client=client).browser()
    browser.do(lambda request: request.session.update(a="é", n=1))
    browser.login()
    held = browser.read()
    assert held.pop("_device")
    assert held == {"a": "é", "n": 1, "auth.userid": "alice"}
    assert browser.do(lambda request: request.session.redis) is client


def test_a_client_by_a_callable(server):
    site = Site(None, client_callable="tests.pyramid.test_settings.client_of_server", socket_timeout="2.5")
    site.registry.client = server.client()
    browser = site.browser()
    browser.do(lambda request: request.session.update(a=1))
    assert browser.read() == {"a": 1}


def test_another_client_another_store(server):
    clients = [server.client(), server.client(db=1)]
    browser = Site(None, client_callable=lambda request, **options: clients[0]).browser()
    browser.do(lambda request: request.session.update(a=1))
    clients.reverse()
    assert browser.read() == {}


def test_ids_of_the_site_s_making(server):
    browser = Site(server, id_generator="tests.pyramid.test_settings.made_up_id").browser()
    before = browser.do(lambda request: request.session.update(a=1) or request.session.session_id)
    assert before.startswith("made-up-")
    browser.login()
    after = browser.do(lambda request: request.session.session_id)
    assert after.startswith("made-up-")
    assert after != before


def test_an_id_that_is_taken_is_not_used(server):
    ids = iter(["taken-id", "taken-id", "other-id"])
    site = Site(server, id_generator=lambda: next(ids))
    first, second = site.browser(), site.browser()
    first.do(lambda request: request.session.update(a=1))
    second.do(lambda request: request.session.update(a=2))
    assert first.read() == {"a": 1}
    assert second.read() == {"a": 2}
    assert second.do(lambda request: request.session.session_id) == "other-id"


def test_strange_ids_are_fine(server):
    ids = iter(["session:42", "7"])
    for value in (1, 2):
        browser = Site(server, id_generator=lambda: next(ids)).browser()
        browser.do(lambda request, value=value: request.session.update(a=value))
        assert browser.read() == {"a": value}
    assert len(server.keys()) == 2


def test_another_serializer(server):
    browser = Site(server, serialize="pickle.dumps", deserialize="pickle.loads").browser()
    held = {"at": datetime(2026, 1, 2, tzinfo=timezone.utc), "tuple": (1, 2), "set": {3}}
    browser.do(lambda request: request.session.update(held))
    assert browser.read() == held
    browser.do(lambda request: request.session["set"].add(4))
    assert browser.read()["set"] == {3, 4}
    with server.counting() as calls:
        browser.read()
    assert calls == {"session.getex": 1}


def test_a_serializer_alone_has_pickle_for_the_other_half(server):
    browser = Site(server, deserialize=pickle.loads).browser()
    browser.do(lambda request: request.session.update(a=(1,)))
    assert browser.read() == {"a": (1,)}


def test_a_serializer_that_makes_text(server):
    browser = Site(server, serialize=json.dumps, deserialize=json.loads).browser()
    browser.do(lambda request: request.session.update(a=[1]))
    assert browser.read() == {"a": [1]}


def test_what_json_has_no_text_for_is_an_error(server):
    browser = Site(server, {TypeError: 500}).browser()
    browser.do(lambda request: request.session.update(at=datetime.now(timezone.utc)), status=500)
    assert "not JSON serializable. A session holds JSON, unless redis.sessions.serialize" in browser.response.text


def test_a_cookie_is_withheld_where_a_request_fails(server):
    site = Site(server, {ZeroDivisionError: 500}, cookie_on_exception="false")
    browser = site.browser()

    def fails(request):
        request.session["a"] = 1
        raise ZeroDivisionError

    browser.do(fails, status=500)
    assert browser.cookie is None
    assert server.keys() == []
    browser.do(lambda request: request.session.update(b=2))
    browser.do(fails, status=500)
    assert browser.read() == {"a": 1, "b": 2}


def test_a_site_without_settings_files(server):
    config = Configurator(session_factory=RedisSessionFactory("secret", url=server.url))
    config.add_view(lambda request: request.session.update(a=1), renderer="json")
    config.make_wsgi_app()
    request = testing.DummyRequest()
    session = RedisSessionFactory("secret", url=server.url)(request)
    session["a"] = 1
    assert session.from_redis()["managed_dict"] == {"a": 1}


def test_the_default_client_waits_five_seconds_and_tries_a_broken_connection_again(server):
    site = Site(server)
    client = site.browser().do(lambda request: request.session.redis)
    options = client.connection_pool.connection_kwargs
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (5.0, 5.0)
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    site.browser().do(lambda request: request.session.update(a=1))


def test_get_default_connection_keeps_the_client_of_the_registry(server):
    request = testing.DummyRequest()
    request.registry._redis_sessions = None
    client = get_default_connection(request, url=server.url)
    assert isinstance(client, redis.Redis)
    assert get_default_connection(request, url="redis://elsewhere") is client
