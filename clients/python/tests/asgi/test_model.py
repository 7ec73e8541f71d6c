"""Whatever a request does to its session, the next one finds it so: random requests, held against a dict."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from redis_session_client.asgi import rotate, save
from tests.asgi.site import visit
from tests.random_changes import JSON_VALUES, change, described


@pytest.mark.parametrize("seed", range(6))
def test_requests(site, seed):
    plans: list[int] = []
    seen: list[dict[str, Any]] = []

    async def random_page(request):
        seen.append(copy.deepcopy(dict(request.session)))
        steps = random.Random(plans[-1])
        change(steps, request.session, JSON_VALUES, "user_id", lambda: rotate(request))
        if request.session and steps.random() < 0.3:
            await save(request)
        return PlainTextResponse("")

    model: dict[str, Any] = {}
    source = random.Random(seed)
    with visit(site(device=None, more={"/random": random_page})) as browser:
        for _ in range(60):
            plans.append(source.randrange(10**9))
            browser.get("/random")
            assert described(seen[-1]) == described(model), plans
            change(random.Random(plans[-1]), model, JSON_VALUES, "user_id")
            for name in ("alice", "bob"):
                assert browser.get(f"/count/{name}").json() == (name == model.get("user_id"))
