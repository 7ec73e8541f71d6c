"""My devices, on one server, behind Sentinel, in a cluster."""

from __future__ import annotations

import pytest
import redis

from tests.flask.site import make_site


@pytest.fixture(params=["server", "sentinel", "cluster"])
def client(request):
    where = request.getfixturevalue(request.param)
    if request.param == "sentinel":
        return redis.sentinel.Sentinel([where.address]).master_for(where.name)
    return where.client()


def test_list_and_sign_out(client):
    app = make_site(client)
    agents = ["phone", "laptop", "tablet", "desk", "kiosk"]
    browsers = {agent: app.test_client() for agent in agents}
    for agent, browser in browsers.items():
        browser.get("/login/alice", headers={"User-Agent": agent})
    stranger = app.test_client()
    stranger.get("/login/bob")

    devices = browsers["phone"].get("/devices").json
    assert {device["device"]["agent"] for device in devices} == set(agents)
    assert [device["device"]["agent"] for device in devices if device["current"]] == ["phone"]

    handle = {device["device"]["agent"]: device["handle"] for device in devices}
    assert stranger.get(f"/sign-out/{handle['phone']}").text == "False", "nobody signs out a stranger"
    assert browsers["phone"].get(f"/sign-out/{handle['laptop']}").text == "True"
    assert browsers["laptop"].get("/").json == {}
    assert browsers["phone"].get("/sign-out-others").text == "3"
    assert browsers["tablet"].get("/").json == {}
    assert browsers["phone"].get("/").json["_user_id"] == "alice"
    interface = app.session_interface
    assert interface.count("alice") == 1
    assert interface.sign_out("alice") == 1
    assert browsers["phone"].get("/").json == {}
    assert stranger.get("/").json["_user_id"] == "bob"


def test_login_in_a_cluster_stays_in_its_slot_and_the_cap_holds(cluster):
    app = make_site(cluster.client(), max_sessions=2)
    browsers = [app.test_client() for _ in range(4)]
    for browser in browsers:
        browser.get("/set/cart/17")
        browser.get("/login/alice")
    assert app.session_interface.count("alice") == 2
    assert [bool(browser.get("/").json) for browser in browsers] == [False, False, True, True]


def test_no_note_of_the_device(site):
    app = site(device=None)
    browser = app.test_client()
    browser.get("/login/alice")
    assert browser.get("/").json == {"_user_id": "alice"}
    assert browser.get("/devices").json[0]["device"] == {"ip": "", "agent": "", "name": ""}
