"""What goes wrong, and what the visitor sees of it."""

from __future__ import annotations

import time

import flask
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_session_client import ModuleMissing, SessionConflict, SessionTooLarge, WrongType
from redis_session_client.flask import RedisSession
from tests.flask.site import cookie, make_site, with_cookie
from tests.servers import Server


@pytest.fixture
def lonely():
    """A server that a test may stop."""
    server = Server("--save", "")
    yield server
    server.close()


def test_a_cluster_without_nodes():
    class Away(redis.Redis):
        """As a RedisCluster whose nodes have all gone since it was made."""

        def execute_command(self, *_, **__):
            raise redis.exceptions.RedisClusterException("Redis Cluster cannot be connected.")

    app = make_site(Away())
    app.testing = False
    browser = with_cookie(app, "abcdefghabcdefgh")
    assert browser.get("/plain").text == "a page without a session"
    assert browser.get("/").status_code == 500


def test_server_down(lonely):
    app = make_site(lonely.url)
    app.testing = False

    @app.errorhandler(redis.exceptions.ConnectionError)
    def unavailable(_):
        return "sessions are not available", 503

    @app.get("/write-only")
    def write_only():
        flask.session.update(a=1)
        return ""

    @app.get("/then-down")
    def then_down():
        flask.session["b"] = 1
        lonely.stop()
        return ""

    browser = app.test_client()
    browser.get("/set/a/1")
    browser.get("/then-down")
    assert browser.get("/then-down").status_code == 503
    assert browser.get("/").status_code == 503, "the application's own handler sees the error"
    response = browser.get("/plain")
    assert response.text == "a page without a session"
    assert "Set-Cookie" not in response.headers, "the cookie is left alone"
    response = with_cookie(app, None).get("/write-only")
    assert response.status_code == 500
    assert "Set-Cookie" not in response.headers
    lonely.start()
    assert browser.get("/").status_code == 200, "and all is well again when the server is back"


def test_the_clients_timeout_bounds_a_request(server):
    app = make_site(f"{server.url.split('?')[0]}?socket_timeout=0.2")
    app.testing = False
    browser = app.test_client()
    browser.get("/set/a/1")
    server.command("CLIENT", "PAUSE", 2500, "ALL")
    begun = time.monotonic()
    assert browser.get("/").status_code == 500
    assert time.monotonic() - begun < 2, "0.2 s, and not again"


def test_module_missing(bare_server):
    app = make_site(bare_server.url)
    with app.app_context(), pytest.raises(ModuleMissing, match="loadmodule"):
        app.session_interface.check()
    with pytest.raises(ModuleMissing):
        app.test_client().get("/set/a/1")


def test_check_says_nothing_when_all_is_well(server):
    make_site(server.url).session_interface.check()


def test_wrong_type(server):
    app = make_site(server.url)
    browser = app.test_client()
    browser.get("/set/a/1")
    (key,) = server.keys()
    server.command("DEL", key)
    server.command("SET", key, "another program's")
    with pytest.raises(WrongType, match="prefix"):
        browser.get("/")
    assert browser.get("/plain").status_code == 200


def test_too_large(server):
    app = make_site(server.url)
    browser = app.test_client()
    browser.get("/set/a/1")
    server.command("CONFIG", "SET", "session.max-bytes", 100)
    with pytest.raises(SessionTooLarge, match=r"max-bytes"):
        browser.get(f"/set/big/{'x' * 200}")
    assert browser.get("/").json == {"a": "1"}


def test_out_of_memory(server):
    app = make_site(server.url)
    browser = app.test_client()
    browser.get("/login/alice")
    server.command("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        browser.get("/set/a/1")
    assert browser.get("/").json["_user_id"] == "alice", "reading goes on"
    assert browser.get("/logout").status_code == 200, "and logging out"


def test_strict(server):
    app = make_site(server.url, conflict="strict")

    @app.get("/slow")
    def slow():
        flask.session["slow"] = 1
        with_cookie(app, flask.request.cookies["session"]).get("/set/fast/1")
        return ""

    browser = app.test_client()
    browser.get("/set/a/1")
    with pytest.raises(SessionConflict):
        browser.get("/slow")


class LosesReplies(redis.Connection):
    """A connection that breaks after a command was carried out, once for each name in `of`."""

    of: list[str]

    def send_command(self, *args, **kwargs):
        super().send_command(*args, **kwargs)
        self.lost = bool(self.of) and args[0] == self.of[0]

    def read_response(self, *args, **kwargs):
        reply = super().read_response(*args, **kwargs)
        if getattr(self, "lost", False):
            self.of.pop(0)
            self.disconnect()
            raise redis.exceptions.ConnectionError("the reply was lost")
        return reply


def losing(server, retries, *commands):
    LosesReplies.of = []
    pool = redis.ConnectionPool(connection_class=LosesReplies, port=server.port, retry=Retry(NoBackoff(), retries))
    return redis.Redis(connection_pool=pool, retry=Retry(NoBackoff(), retries))


@pytest.mark.parametrize("grace", [10, 0])
def test_a_reply_lost_after_rotate(server, grace):
    app = make_site(losing(server, 1), rotation_grace=grace)
    browser = app.test_client()
    browser.get("/set/cart/17")
    LosesReplies.of = ["SESSION.ROTATE"]
    browser.get("/login/alice")
    assert LosesReplies.of == []
    assert browser.get("/").json["_user_id"] == "alice"
    assert browser.get("/").json["cart"] == "17"
    assert app.session_interface.count("alice") == 1


def test_a_reply_lost_after_rotate_and_no_retry(server):
    app = make_site(losing(server, 0))
    app.testing = False
    browser = app.test_client()
    browser.get("/set/cart/17")
    before = cookie(browser)
    LosesReplies.of = ["SESSION.ROTATE"]
    assert browser.get("/login/alice").status_code == 500
    assert cookie(browser) == before
    assert browser.get("/").json == {"cart": "17"}, "the snapshot"
    browser.get("/login/alice")
    assert browser.get("/").json["_user_id"] == "alice"


def test_a_reply_lost_after_the_first_write(server):
    app = make_site(losing(server, 1))
    browser = app.test_client()
    LosesReplies.of = ["SESSION.SET"]
    browser.get("/set/cart/17")
    assert LosesReplies.of == []
    assert browser.get("/").json == {"cart": "17"}
    assert len(server.keys()) == 1


def test_failover_in_the_middle_of_a_request(sentinel):
    client = redis.sentinel.Sentinel([sentinel.address]).master_for(
        sentinel.name, retry=Retry(redis.backoff.ConstantBackoff(0.3), 30)
    )
    app = make_site(client)

    @app.get("/fail-over")
    def fail_over():
        flask.session["during"] = "1"
        sentinel.failover()
        return ""

    browser = app.test_client()
    browser.get("/login/alice")
    assert browser.get("/fail-over").status_code == 200
    assert browser.get("/").json["during"] == "1"
    assert app.session_interface.count("alice") == 1


def test_extension_without_a_server():
    app = flask.Flask(__name__)
    with pytest.raises(RuntimeError, match="SESSION_REDIS"):
        RedisSession(app)
    sessions = RedisSession()
    with app.app_context(), pytest.raises(TypeError, match="init_app"):
        sessions.count("alice")


def test_what_timed_out_is_not_tried_again(server):
    interface = make_site(f"{server.url.split('?')[0]}?socket_timeout=0.2").session_interface
    retry = interface.store.client.get_retry()
    calls = []

    def time_out():
        calls.append(1)
        raise redis.exceptions.TimeoutError

    with pytest.raises(redis.exceptions.TimeoutError):
        retry.call_with_retry(time_out, lambda _: None)
    assert len(calls) == 1
    assert interface.store.client.get_connection_kwargs()["socket_timeout"] == 0.2
