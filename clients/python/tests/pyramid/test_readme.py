"""The start that the README prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.pages import Browser, answers, at_server, examples, not_running, section
from tests.servers import TOP, free_port, wait_for

README = TOP / "clients/python/README.md"


@pytest.fixture
def hello(server, tmp_path):
    """The site of the README, saved and run as it says, but on a free port."""
    (program,) = examples(section(README, "Pyramid"))
    port = free_port()
    (tmp_path / "hello.py").write_text(at_server(program, server).replace("6543", str(port)))
    environment = {**os.environ, "PYTHONPATH": str(TOP / "clients/python/src")}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "hello.py"], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        site = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(site) or not_running(process, tmp_path), what="the site")
        yield site
    finally:
        process.terminate()
        process.wait(20)


def test_the_start_in_the_readme(hello):
    """Two browsers log in as alice, each sees both, and one signs the other out."""
    first, second = Browser(hello, "Firefox"), Browser(hello, "Safari")
    for visitor in (first, second):
        assert "Log in" in visitor.get("/")
        visitor.post("/", user="alice")
    shown = first.get("/")
    assert set(re.findall("<li>([A-Za-z]+) ", shown)) == {"Firefox", "Safari"}
    assert "Firefox (this one)" in shown
    (handle,) = re.findall('name="device" value="([^"]+)"', shown)
    assert "Safari" not in first.post("/", device=handle)
    assert "Log in" in second.get("/")
    assert "Firefox (this one)" in first.get("/")
