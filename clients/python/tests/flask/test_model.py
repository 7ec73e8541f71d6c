"""Whatever a request does to its session, the next one finds it so: random requests, held against a dict."""

from __future__ import annotations

import copy
import random
from typing import Any

import flask
import pytest

from tests.random_changes import JSON_VALUES, change, described

VALUES = [*JSON_VALUES, (), (1,), b"\xff"]


@pytest.mark.parametrize("seed", range(6))
def test_requests(site, seed):
    app = site(device=None)
    interface = app.session_interface
    plans: list[int] = []
    seen: list[dict[str, Any]] = []

    @app.get("/random")
    def visit():
        seen.append(copy.deepcopy(dict(flask.session)))
        steps = random.Random(plans[-1])
        change(steps, flask.session, VALUES, "_user_id", lambda: interface.regenerate(flask.session))
        if flask.session and steps.random() < 0.3:
            interface.save(flask.session)
        return ""

    browser = app.test_client()
    model: dict[str, Any] = {}
    source = random.Random(seed)
    for _ in range(60):
        plans.append(source.randrange(10**9))
        browser.get("/random")
        assert described(seen[-1]) == described(model), plans
        change(random.Random(plans[-1]), model, VALUES, "_user_id")
        for name in ("alice", "bob"):
            assert interface.count(name) == (name == model.get("_user_id"))
