"""`Store` and `AsyncStore`, on a real server: what the adapters for the frameworks stand on."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_session_client import (
    KEEP,
    AsyncStore,
    BytesCodec,
    ModuleMissing,
    Options,
    SessionConflict,
    SessionLimit,
    SessionTooLarge,
    Store,
    WrongType,
    handle,
    new_id,
)
from redis_session_client.fields import Codec
from redis_session_client.store import DEVICE, Loaded
from tests.servers import Cluster, Sentinel, Server, wait_for


class Synchronous:
    """An `AsyncStore` that is called like a `Store`, so that each test of the one is a test of the other."""

    def __init__(self, url: str, options: Options | None, client_options: dict[str, Any]) -> None:
        self._loop = asyncio.new_event_loop()
        client = redis.asyncio.Redis.from_url(url, **client_options)
        self._store = AsyncStore(client, options)
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not asyncio.iscoroutinefunction(method):
            return method
        return lambda *args, **kwargs: self._loop.run_until_complete(method(*args, **kwargs))

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest, server: Server, client_options: dict[str, Any]) -> Iterator[Any]:
    """Makes a store with these options, in both forms and with clients of every kind."""
    made: list[Any] = []

    def make(**options: Any) -> Any:
        if request.param == "sync":
            return Store(server.client(**client_options), Options(**options))
        made.append(Synchronous(server.url, Options(**options), client_options))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(server: Server) -> Any:
    return Store(server.client())


def begin(store: Any, data: dict[Any, Any] | None = None, **changes: Any) -> Any:
    loaded = store.create(new_id(), data or {}, **changes)
    assert loaded is not None
    return loaded


# --- reading and writing ---


def test_a_session_that_is_saved_for_hours_stays_small(make: Any) -> None:
    store = make()
    session = new_id()
    loaded = store.create(session, {"kept": [1, {"a": None}], "nan": math.inf, "\ud800": "\0b", "gone": 1})
    data = {**loaded.data()}
    del data["gone"]
    for count in range(50):
        data["count"], data[f"field{count % 3}"] = count, math.inf if count % 2 else "plain"
        loaded = store.save(loaded, data)
        assert loaded.data() == data
    assert len(loaded.parts) <= 8
    assert store.load(session).data() == data


def test_what_is_written_is_read(make: Any) -> None:
    store = make()
    data = {"name": "Ann", "cart": {"items": [3, 4.5, None, True]}, "ü": "ö\u2028", "empty": {}, "zero": 0}
    loaded = begin(store, data, user="alice")
    there = store.load(loaded.id)
    assert there.data() == data
    assert (there.user, there.version, there.frozen) == ("alice", 1, False)
    for known in (loaded, there):
        assert abs(known.created - datetime.now(timezone.utc)) < timedelta(minutes=1)


def test_a_read_is_one_command_and_a_write_two(make: Any, server: Server) -> None:
    store = make()
    sid = begin(store, {"a": 1}).id
    with server.counting() as calls:
        loaded = store.load(sid)
    assert calls == {"session.getex": 1}
    with server.counting() as calls:
        loaded = store.load(sid)
        store.save(loaded, {"a": 2})
    assert calls == {"session.getex": 1, "session.set": 1}
    with server.counting() as calls:
        loaded = store.load(sid)
        store.rotate(loaded, {"a": 2, "b": 3}, user="alice")
    assert calls == {"session.getex": 1, "session.rotate": 1}


def test_without_sliding_a_read_leaves_the_deadline(make: Any, server: Server) -> None:
    store = make(sliding=False)
    sid = begin(store, {"a": 1}).id
    with server.counting() as calls:
        store.load(sid)
    assert calls == {"session.get": 1}


def test_two_requests_that_write_different_keys_keep_both(make: Any) -> None:
    store = make()
    sid = begin(store, {"cart": [1], "lang": "en", "old": 1}).id
    one, two = store.load(sid), store.load(sid)
    assert store.save(one, {**one.data(), "cart": [1, 2]})
    data = two.data()
    del data["old"]
    assert store.save(two, {**data, "lang": "de"})
    assert store.load(sid).data() == {"cart": [1, 2], "lang": "de"}


def test_a_change_inside_a_value_is_seen(store: Any, server: Server) -> None:
    loaded = begin(store, {"cart": {"items": [1]}, "n": 1})
    data = loaded.data()
    data["cart"]["items"].append(2)
    loaded = store.save(loaded, data)
    assert store.load(loaded.id).data() == {"cart": {"items": [1, 2]}, "n": 1}
    with server.counting() as calls:
        assert store.save(loaded, data) is loaded
    assert not calls


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0, False), ("1", 1), ([1], [True]), (None, "")])
def test_values_are_compared_with_their_types(store: Any, before: object, after: object) -> None:
    loaded = begin(store, {"v": before, "other": 1})
    data = loaded.data()
    data["v"] = after
    store.save(loaded, data)
    value = store.load(loaded.id).data()["v"]
    assert value == after
    assert type(value) is type(after)


def test_what_is_the_same_is_not_written_whichever_object_it_is(store: Any, server: Server) -> None:
    before = {"text": "some text", "n": 1.5, "none": None, "yes": True, "list": [1, {"a": "b"}]}
    loaded = begin(store, before)
    loaded.data()["text"] = "an object of somebody else"
    with server.counting() as calls:
        assert store.save(loaded, {**before, "text": "".join(["some ", "text"]), "list": [1, {"a": "b"}]}) is loaded
    assert not calls
    data = loaded.data()
    del data["n"], data["list"]
    store.save(loaded, data)
    assert store.load(loaded.id).data() == {"text": "some text", "none": None, "yes": True}


def test_after_a_write_the_difference_is_from_what_was_written(store: Any, server: Server) -> None:
    loaded = begin(store, {"a": 1, "b": 1})
    loaded = store.save(loaded, {"a": 2})
    loaded = store.save(loaded, {"a": 2, "c": math.nan})
    with server.counting() as calls:
        store.save(loaded, {"a": 2, "c": 1})
    assert calls == {"session.set": 1}
    assert store.load(loaded.id).data() == {"a": 2, "c": 1}


def test_nothing_comes_back_from_the_dead(make: Any, server: Server) -> None:
    store = make()
    loaded = begin(store, {"a": 1})
    assert store.delete(loaded.id)
    assert store.save(loaded, {"a": 2}) is None
    assert store.save(loaded, touch=True) is None
    assert store.rotate(loaded, {"a": 2}) is None
    assert not store.exists(loaded.id)
    assert not store.delete(loaded.id)
    assert store.load(loaded.id) is None
    assert server.keys() == []


def test_replace_drops_what_others_wrote(make: Any) -> None:
    store = make()
    loaded = begin(store, {"a": 1})
    store.save(store.load(loaded.id), {"a": 1, "b": 2})
    assert store.save(loaded, {"c": 3}, replace=True).data() == {"c": 3}
    assert store.load(loaded.id).data() == {"c": 3}
    assert store.save(store.load(loaded.id), {}, replace=True).data() == {}
    assert store.load(loaded.id).data() == {}


def test_strict_conflicts(make: Any) -> None:
    store = make(conflict="strict")
    loaded = begin(store, {"a": 1})
    assert store.save(loaded, {"a": 2})
    for late in (store.save, store.rotate):
        with pytest.raises(SessionConflict):
            late(loaded, {"b": 2})
    store.delete(loaded.id)
    assert store.save(loaded, {"b": 2}) is None


# --- what JSON cannot carry ---


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "data",
    [
        {"v": math.inf, "w": 1},
        {"v": deep(63), "w": deep(64), "x": deep(200)},
        {"\ud800": 1, "w": "\ud800", "x": ["\udfff"]},
        {"\0name": "\0value", "": "", "\0": 1},
        {"big": 2**200, "small": 1e-300, "minus": -0.0},
    ],
    ids=["infinity", "deep", "surrogates", "nul", "numbers"],
)
def test_every_value_of_pythons_json_comes_back(make: Any, data: dict[str, Any]) -> None:
    store = make()
    loaded = begin(store, {"first": 1})
    loaded = store.save(loaded, data)
    assert loaded.data() == data
    there = store.load(loaded.id)
    assert there.data() == data
    assert store.save(there, {}).data() == {}
    assert store.load(loaded.id).data() == {}


def test_nan_comes_back(store: Any) -> None:
    loaded = begin(store, {"v": math.nan})
    assert math.isnan(store.load(loaded.id).data()["v"])


def test_floats_are_compared_as_they_are_written(store: Any, server: Server) -> None:
    """Which are equal to Python, and which are not, is another matter."""
    loaded = begin(store, {"zero": 0.0, "nan": math.nan})
    with server.counting() as calls:
        loaded = store.save(loaded, {"zero": 0.0, "nan": float("nan")})
    assert not calls
    store.save(loaded, {"zero": -0.0, "nan": math.nan})
    assert math.copysign(1, store.load(loaded.id).data()["zero"]) == -1


def test_keys_that_are_no_strings_become_those_of_json(store: Any) -> None:
    loaded = begin(store, {1: "a", None: "b", False: "c", 1.5: "d"})
    assert store.load(loaded.id).data() == {"1": "a", "null": "b", "false": "c", "1.5": "d"}
    with pytest.raises(TypeError, match="tuple"):
        store.save(loaded, {(1, 2): 3})


def test_another_serializer(server: Server) -> None:
    store: Any = Store(server.client(), codec=BytesCodec())
    data = {"at": datetime(2020, 1, 1, tzinfo=timezone.utc), "set": {1, 2}, "text": "a"}
    loaded = begin(store, data)
    there = store.load(loaded.id)
    assert there.data() == data
    with server.counting() as calls:
        store.save(there, there.data())
    assert not calls
    changed = there.data()
    changed["set"].add(3)
    del changed["at"]
    assert store.save(there, changed)
    assert store.load(loaded.id).data() == {"set": {1, 2, 3}, "text": "a"}


def test_what_another_program_wrote_as_fields_is_read(store: Any, server: Server) -> None:
    loaded = begin(store, {"a": 1})
    key = store.key(loaded.id)
    server.command("SESSION.SET", key, "FIELDS", 1, "raw", "5")
    server.command("SESSION.INCRBY", key, "n", 5)
    assert store.load(loaded.id).data() == {"a": 1, "raw": "5", "n": 5}


# --- times ---


def ttl(server: Server, key: str) -> int:
    remaining = server.command("PTTL", key)
    assert isinstance(remaining, int)
    return remaining


@pytest.mark.parametrize(
    ("times", "milliseconds"),
    [
        ({"idle": 60}, 60_000),
        ({"idle": timedelta(minutes=2)}, 120_000),
        ({"idle": 0.5}, 500),
        ({"idle": None}, -1),
        ({"idle": None, "lifetime": 90}, 90_000),
        ({"idle": 1e30}, 315_360_000_000),
        ({"idle": math.inf, "lifetime": math.inf}, 315_360_000_000),
        ({}, 1_800_000),
    ],
)
def test_times(make: Any, server: Server, times: dict[str, Any], milliseconds: int) -> None:
    store = make()
    key = store.key(begin(store, {}, **times).id)
    assert milliseconds - 400 <= ttl(server, key) <= milliseconds


@pytest.mark.parametrize(
    "times",
    [
        {"idle": 0},
        {"idle": -5},
        {"lifetime": 0},
        {"expires_at": datetime(1960, 1, 1, tzinfo=timezone.utc)},
        {"expires_at": 0},
    ],
)
def test_a_time_that_is_over_ends_the_session(make: Any, times: dict[str, Any]) -> None:
    store = make()
    loaded = begin(store, {"a": 1})
    store.save(loaded, **times)
    assert not store.exists(loaded.id)
    assert not store.adjust(loaded.id, **times)


def test_defaults_of_the_options_are_for_new_ones(make: Any, server: Server) -> None:
    store = make(idle=600, lifetime=300)
    loaded = begin(store)
    there = store.load(loaded.id)
    assert there.idle == 600
    assert ttl(server, store.key(loaded.id)) <= 300_000
    assert store.adjust(loaded.id, idle=100, lifetime=None)
    assert 99_000 < ttl(server, store.key(loaded.id)) <= 100_000
    end = datetime.now(timezone.utc) + timedelta(seconds=50)
    assert store.adjust(loaded.id, expires_at=end)
    assert abs(store.load(loaded.id).end - end) < timedelta(milliseconds=2)
    assert store.adjust(loaded.id)
    with pytest.raises(ValueError, match="not both"):
        store.adjust(loaded.id, lifetime=1, expires_at=end)


# --- rotation ---


def test_a_rotation_leaves_a_snapshot_that_reads_and_drops_writes(make: Any) -> None:
    store = make()
    old = begin(store, {"cart": 1})
    new = store.rotate(store.load(old.id), {"cart": 1, "_user": "alice"}, user="alice")
    assert new.id != old.id
    assert new.id[:4] == old.id[:4]
    assert (new.user, new.data()) == ("alice", {"cart": 1, "_user": "alice"})
    late = store.load(old.id)
    assert (late.frozen, late.user, late.data()) == (True, None, {"cart": 1})
    assert store.save(late, {"cart": 2}) is None
    assert store.save(old, {"cart": 2}) is None
    assert store.rotate(late) is None
    assert store.rotate(old) is None
    assert not store.adjust(old.id, idle=5)
    assert not store.exists(old.id)
    assert store.load(new.id).data() == {"cart": 1, "_user": "alice"}
    assert store.delete(new.id)
    assert store.load(old.id) is None


def test_a_rotation_that_replaces_leaves_the_former_data(make: Any) -> None:
    store = make(rotation_grace=0)
    old = begin(store, {"role": "admin"}, user="alice")
    new = store.rotate(old, {"lang": "en"}, user="bob", replace=True)
    assert store.load(new.id).data() == {"lang": "en"}
    assert store.load(old.id) is None


# --- a user's sessions ---


def test_devices(make: Any) -> None:
    store = make(user_prefix="shop:")
    phone = begin(store, {"_device": {"agent": "Phone"}}, user="alice")
    laptop = begin(store, {"a": "b"}, user="alice", idle=None)
    begin(store, {}, user="bob")
    store.load(phone.id)
    there = store.devices("alice", laptop.id)
    assert {device.handle: (device.device, device.current) for device in there} == {
        store.handle(phone.id): ({"agent": "Phone"}, False),
        store.handle(laptop.id): ({"ip": "", "agent": "", "name": ""}, True),
    }
    assert abs(there[0].last_access - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert {device.deadline is None for device in there} == {True, False}
    assert store.load(phone.id).user == "alice"
    assert store.count("alice") == 2


def test_signing_out(make: Any) -> None:
    store = make()
    ids = [begin(store, {}, user="alice").id for _ in range(4)]
    stranger = begin(store, {}, user="bob")
    assert not store.sign_out_device("alice", store.handle(stranger.id))
    assert not store.sign_out_device("alice", "nonsense")
    assert store.sign_out_device("alice", store.handle(ids[0]))
    assert store.sign_out("alice", ids[1]) == 2
    assert [store.exists(sid) for sid in ids] == [False, True, False, False]
    assert store.sign_out("alice") == 1
    assert store.sign_out("alice") == 0
    assert store.exists(stranger.id)


@pytest.mark.parametrize("on_limit", ["oldest", "lru"])
def test_a_cap_ends_others(make: Any, on_limit: str) -> None:
    store = make(max_sessions=2, on_limit=on_limit)
    ids = [begin(store, {}, user="alice").id for _ in range(3)]
    guest = begin(store)
    ids.append(store.rotate(guest, user="alice").id)
    assert [store.exists(sid) for sid in ids] == [False, False, True, True]


def test_a_cap_refuses(make: Any) -> None:
    store = make(max_sessions=1, on_limit="reject")
    begin(store, {}, user="alice")
    guest = begin(store, {"a": 1})
    for join in (
        lambda: begin(store, {}, user="alice"),
        lambda: store.rotate(guest, user="alice"),
        lambda: store.save(guest, user="alice"),
    ):
        with pytest.raises(SessionLimit):
            join()
    assert store.load(guest.id).user is None


def test_a_user_who_leaves_is_unbound(make: Any) -> None:
    store = make()
    loaded = begin(store, {"a": 1}, user="alice")
    assert store.save(loaded, {"a": 1}).user == "alice"
    assert store.save(loaded, {"a": 1}, user=KEEP).user == "alice"
    assert store.save(loaded, {"a": 1}, user=None).user is None
    assert store.count("alice") == 0


# --- ids and keys ---


def test_a_copy_of_the_database_holds_no_id(make: Any, server: Server) -> None:
    store = make()
    loaded = begin(store, {"a": 1})
    (key,) = server.keys()
    assert loaded.id not in key
    assert key.startswith("sess:{" + loaded.id[:4] + "}")
    assert store.handle(loaded.id) == handle(key)
    assert loaded.id not in store.handle(loaded.id)


def test_ids_are_random_in_every_place() -> None:
    made = [new_id() for _ in range(4000)]
    assert len(set(made)) == len(made)
    for place in zip(*made, strict=True):
        counted = Counter(place)
        assert len(counted) == 36
        assert 50 < min(counted.values()) < max(counted.values()) < 200  # of 111 that one expects
    assert {len(characters) for characters in made} == {32}
    assert new_id("abcdefgh")[:4] == "abcd"
    assert len({new_id("abcdefgh") for _ in range(100)}) == 100


def test_plain_keys(server: Server) -> None:
    store = Store(server.client(), Options(prefix="s:", hash_keys=False))
    loaded = begin(store, {"a": 1})
    assert server.keys() == ["s:" + loaded.id]


@pytest.mark.parametrize("sid", [None, "", "short", "x" * 129, "with space", "ünicode1", "nul\0nul\0", "newline\n"])
def test_what_is_no_id_never_reaches_the_server(make: Any, server: Server, sid: str | None) -> None:
    store = make()
    with server.counting() as calls:
        assert store.load(sid) is None
        assert not store.exists(sid)
        assert not store.delete(sid)
        assert not store.touch(sid)
    assert not calls


def test_an_id_that_is_taken(make: Any) -> None:
    store = make()
    loaded = begin(store, {"a": 1})
    assert store.create(loaded.id, {"b": 2}) is None
    assert store.load(loaded.id).data() == {"a": 1}


def test_a_beginning_whose_reply_was_lost_is_found_to_be_ours(make: Any, server: Server) -> None:
    store = make()
    sid = new_id()
    begun = store.create(sid, {"a": 1, "b": [2]}, user="alice")
    # A client that lost the reply sends the same once more.
    again = store.create(sid, {"a": 1, "b": [2]}, user="alice")
    assert (again.id, again.version, again.data()) == (begun.id, begun.version, begun.data())
    assert store.count("alice") == 1


# --- what goes wrong ---


def test_without_the_module_the_error_says_so(bare_server: Server) -> None:
    store: Any = Store(bare_server.client())
    for call in (store.check, lambda: store.load(new_id()), lambda: begin(store), lambda: store.devices("alice")):
        with pytest.raises(ModuleMissing, match="loadmodule"):
            call()


def test_with_the_module_the_check_is_content(make: Any) -> None:
    make().check()


def test_another_type_under_the_prefix(make: Any, server: Server) -> None:
    store = make()
    sid = new_id()
    server.command("SET", store.key(sid), "x")
    for call in (lambda: store.load(sid), lambda: store.create(sid, {})):
        with pytest.raises(WrongType, match=re.escape(f"is stored under {store.key(sid)}; give sessions a prefix")):
            call()
    with pytest.raises(WrongType, match=re.escape(f"is stored under {store.key(sid)};")):
        store.touch(sid)


def test_a_session_that_is_too_large(make: Any, server: Server) -> None:
    store = make()
    loaded = begin(store, {"a": 1})
    server.command("CONFIG", "SET", "session.max-bytes", 100)
    with pytest.raises(SessionTooLarge, match="max-bytes"):
        store.save(loaded, {"a": "x" * 200})
    assert store.load(loaded.id).data() == {"a": 1}


def test_out_of_memory_is_redis_pys_own(make: Any, server: Server) -> None:
    store = make()
    loaded = begin(store, {"a": 1})
    server.command("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        store.save(loaded, {"a": 2})
    assert store.load(loaded.id).data() == {"a": 1}
    assert store.delete(loaded.id)


class Losing(redis.Connection):
    """A connection that breaks after its next rotation was carried out, before the reply is read."""

    broken = False

    def send_command(self, *args: Any, **kwargs: Any) -> None:
        super().send_command(*args, **kwargs)
        if args[0] == "SESSION.ROTATE" and not Losing.broken:
            Losing.broken = True
            super().read_response()
            raise redis.exceptions.ConnectionError("lost")


@pytest.mark.parametrize("grace", [10, 0])
def test_a_rotation_whose_reply_was_lost(server: Server, grace: int) -> None:
    Losing.broken = False
    pool = redis.ConnectionPool(connection_class=Losing, host="127.0.0.1", port=server.port)
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 3)
    client = redis.Redis(connection_pool=pool)
    client.set_retry(retry)
    store: Any = Store(client, Options(rotation_grace=grace))
    old = begin(store, {"a": 1})
    new = store.rotate(old, {"a": 2}, user="alice")
    assert Losing.broken
    assert new is not None
    assert (new.user, new.data()) == ("alice", {"a": 2})
    assert store.count("alice") == 1


def test_an_error_of_the_options() -> None:
    for wrong in (
        *({"max_sessions": 0}, {"max_sessions": "5"}, {"on_limit": "never"}, {"conflict": "no"}),
        *({"rotation_grace": 301}, {"rotation_grace": "10"}, {"rotation_grace": timedelta(seconds=1)}),
    ):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is "):
            Options(**wrong)


# --- Sentinel, cluster ---


def test_behind_a_sentinel(sentinel: Sentinel) -> None:
    watcher = redis.Sentinel([sentinel.address])
    store: Any = Store(watcher.master_for(sentinel.name))
    loaded = begin(store, {"a": 1}, user="alice")
    sentinel.primary().command("WAIT", 1, 5000)
    sentinel.failover()
    there = store.load(loaded.id)
    assert there is not None
    assert store.save(there, {"a": 2})
    assert store.sign_out("alice") == 1


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_in_a_cluster(cluster: Cluster, kind: str) -> None:
    def check(store: Any) -> None:
        ids = [begin(store, {"n": n}, user="alice").id for n in range(40)]
        assert len({cluster.node_of(store.key(sid)).port for sid in ids}) == 3
        assert store.count("alice") == 40
        rotated = store.rotate(store.load(ids[0]), {"n": 0, "in": True})
        assert store.load(rotated.id).data() == {"n": 0, "in": True}
        devices = store.devices("alice", rotated.id)
        assert len(devices) == 40
        assert [device.handle for device in devices if device.current] == [store.handle(rotated.id)]
        assert [device.last_access for device in devices] == sorted((d.last_access for d in devices), reverse=True)
        assert store.sign_out_device("alice", store.handle(ids[1]))
        assert store.sign_out("alice", rotated.id) == 39  # the snapshot of the rotation among them
        assert store.exists(rotated.id)
        assert store.sign_out("alice") == 1

    if kind == "sync":
        check(Store(cluster.client()))
    else:
        check(AsyncCluster(cluster, Options()))


@pytest.mark.parametrize(("kind", "call"), [("sync", "count"), ("sync", "sign_out"), ("async", "sign_out")])
def test_a_primary_that_the_client_has_not_heard_of_is_asked(kind: str, call: str) -> None:
    cluster = Cluster()
    try:
        store: Any = Store(cluster.client()) if kind == "sync" else AsyncCluster(cluster, Options())
        moved = begin(store, {}, user="alice")
        begin(store, {}, user="alice")
        assert store.count("alice") == 2
        cluster.add_primary_of(store.key(moved.id))
        assert getattr(store, call)("alice") == 2
    finally:
        cluster.close()


def later_than(loaded: Loaded) -> None:
    """Waits for a later millisecond than the one in which a session began."""
    began = loaded.created
    assert began is not None
    wait_for(lambda: time.time() > began.timestamp() + 0.002)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_session_whose_slot_has_moved_is_ended(kind: str) -> None:
    cluster = Cluster()
    try:
        options = Options(max_sessions=2)
        store: Any = Store(cluster.client(), options) if kind == "sync" else AsyncCluster(cluster, options)
        for end in ("sign_out_device", "the cap"):
            moved = begin(store, {}, user=end)
            later_than(moved)  # or the cap may take either for the oldest
            begin(store, {}, user=end)
            # The client's map of the cluster says where it was.
            key = store.key(moved.id)
            cluster.move(key, next(node for node in cluster.nodes if node is not cluster.node_of(key)))
            if end == "the cap":
                begin(store, {}, user=end)
            else:
                assert store.sign_out_device(end, store.handle(moved.id))
            assert not store.exists(moved.id)
    finally:
        cluster.close()


def test_a_session_that_moves_while_the_primaries_are_asked_is_signed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    try:
        client = cluster.client()
        store = Store(client)
        first, *others = client.get_primaries()
        new, old = (next(node for node in cluster.nodes if node.port == port) for port in (first.port, others[0].port))
        session = next(
            session
            for session in (begin(store, {}, user=f"user {n}") for n in range(100))
            if cluster.node_of(store.key(session.id)) is old
        )
        execute = client.execute_command
        moves = iter([lambda: cluster.move(store.key(session.id), new)])

        def execute_and_move(*args: Any, **options: Any) -> Any:
            reply = execute(*args, **options)
            if args[0] == "SESSION.REVOKE":
                next(moves, lambda: None)()
            return reply

        monkeypatch.setattr(client, "execute_command", execute_and_move)
        assert session.user is not None
        assert store.sign_out(session.user) == 1
        assert not store.exists(session.id)
    finally:
        cluster.close()


@pytest.mark.parametrize("on_limit", ["oldest", "lru", "reject"])
def test_a_cap_in_a_cluster(cluster: Cluster, on_limit: Any) -> None:
    store: Any = Store(cluster.client(), Options(max_sessions=3, on_limit=on_limit))
    ids = [begin(store, {}, user="alice").id for _ in range(3)]
    guest = begin(store)
    if on_limit == "reject":
        with pytest.raises(SessionLimit):
            store.rotate(guest, user="alice")
        assert store.count("alice") == 3
    else:
        assert store.rotate(guest, user="alice")
        assert [store.exists(sid) for sid in ids] == [False, True, True]


def test_a_rotation_without_grace_in_a_cluster(cluster: Cluster) -> None:
    store: Any = Store(cluster.client(), Options(rotation_grace=0))
    for _ in range(6):
        old = begin(store, {"a": 1})
        new = store.rotate(old, user="alice")
        assert store.load(new.id).data() == {"a": 1}
        assert store.load(old.id) is None


class AsyncCluster:
    """An `AsyncStore` on a cluster that is called like a `Store`."""

    def __init__(self, cluster: Cluster, options: Options) -> None:
        self._loop = asyncio.new_event_loop()
        self._store: AsyncStore | None = None
        self._loop.run_until_complete(self._open(cluster, options))

    async def _open(self, cluster: Cluster, options: Options) -> None:
        self._store = AsyncStore(redis.asyncio.RedisCluster(host="127.0.0.1", port=cluster.port), options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not asyncio.iscoroutinefunction(method):
            return method
        return lambda *args, **kwargs: self._loop.run_until_complete(method(*args, **kwargs))


def test_the_text_of_json_is_read_with_any_loads() -> None:
    codec = Codec(loads=lambda text: {"read": text} if text.startswith("{") else text)
    assert codec.decode(()) == {}


def test_a_device_that_another_serializer_noted_is_listed_all_the_same(server: Server) -> None:
    client = server.client()
    Store(client, codec=BytesCodec()).create(new_id(), {DEVICE: {"ip": "192.0.2.1"}}, user="alice")
    store = Store(client)
    (device,) = store.devices("alice")
    assert device.device == {"ip": "", "agent": "", "name": ""}
    assert store.sign_out_device("alice", device.handle)


async def test_the_first_requests_of_a_cluster_s_client_come_together(cluster: Cluster) -> None:
    client = redis.asyncio.RedisCluster.from_url(cluster.url)
    store = AsyncStore(client)
    ids = [new_id() for _ in range(20)]
    made = await asyncio.gather(*(store.create(one, {"id": one}) for one in ids))
    assert [loaded and loaded.id for loaded in made] == ids
    await client.aclose()
