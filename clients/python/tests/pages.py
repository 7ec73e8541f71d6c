"""Examples of Markdown pages, run as they are printed but for where the server is."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from tests.servers import TOP, free_port, wait_for


def section(page: Path, heading: str) -> str:
    """What stands under a heading of the second level, up to the next one."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no section {heading}"
    return found[1]


def examples(text: str, language: str = "python") -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def at_server(example: str, server: Any) -> str:
    """The example for a server that is not on port 6379."""
    example = example.replace("redis://localhost:6379", f"redis://127.0.0.1:{server.port}")
    return example.replace('host="localhost", port=6379', f'host="127.0.0.1", port={server.port}')


def run(page: Path, server: Any) -> tuple[dict[str, Any], list[Any]]:
    """Runs all Python of a page, each section with the names of those before it.

    Returns the names of the last one, and every `app` that there was, in order.
    """
    namespace: dict[str, Any] = {"__name__": page.stem}
    apps: list[Any] = []
    for text in re.split(r"^## ", page.read_text(), flags=re.MULTILINE):
        namespace = dict(namespace)
        title = text.partition("\n")[0]
        for number, example in enumerate(examples(text), 1):
            exec(compile(at_server(example, server), f"{page.name}, {title}, example {number}", "exec"), namespace)
            app = namespace.get("app")
            if app is not None and not any(app is known for known in apps):
                apps.append(app)
    return namespace, apps


class Browser:
    """A browser with its own cookies and name, for sites that run in a process of their own."""

    def __init__(self, site: str, agent: str) -> None:
        self._site = site
        self._opener = build_opener(HTTPCookieProcessor())
        self._opener.addheaders = [("User-Agent", agent)]

    def get(self, path: str) -> str:
        """The page at a path, after redirects."""
        with self._opener.open(self._site + path, timeout=20) as response:
            page: str = response.read().decode()
            return page

    def post(self, path: str, **form: str) -> str:
        """The page after a form was sent."""
        with self._opener.open(self._site + path, urlencode(form).encode(), timeout=20) as response:
            page: str = response.read().decode()
            return page


@contextlib.contextmanager
def started(heading: str, folder: Path, server: Any) -> Iterator[str]:
    """Follows a start of the README: writes hello.py into a folder and runs the printed command. Yields the site's URL.

    Only what pip would install is taken as it lies here, and the ports are free ones.
    """
    text = section(TOP / "clients/python/README.md", heading)
    (program,) = examples(text)
    (folder / "hello.py").write_text(at_server(program, server))
    command = examples(text, "sh")[-1].split()
    printed = re.search(r"<(http://127\.0\.0\.1:\d+)/>", text)
    assert printed, "the README names the address"
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(TOP / "clients/python/src")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port)], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        site = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(site) or not_running(process, folder), timeout=60, what="the site")
        yield site
    finally:
        process.terminate()
        process.wait(20)


def answers(site: str) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError):
        Browser(site, "test").get("/")
        return True
    return False


def not_running(process: subprocess.Popen[bytes], folder: Path) -> bool:
    """Raises what a process said that has ended."""
    if process.poll() is not None:
        raise AssertionError((folder / "log").read_text())
    return False
