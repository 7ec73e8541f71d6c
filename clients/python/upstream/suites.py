"""The suites: what is fetched, how it is run, and how many tests it must have run at least."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.servers import Server

from .sdists import unpacked

CLIENT = Path(__file__).resolve().parents[1]
SOURCE = CLIENT / "src"
PLUGINS = CLIENT / "upstream" / "plugins"


@dataclass
class Outcome:
    """How a suite ended, in its own numbers."""

    suite: str
    failed: bool
    output: str
    summary: str
    ran: int
    at_least: int
    complaint: str = ""

    def __post_init__(self) -> None:
        if self.ran < self.at_least:
            self.complaint = f"{self.ran} tests ran, {self.at_least} or more were expected"

    @property
    def ok(self) -> bool:
        return not self.failed and not self.complaint

    def __str__(self) -> str:
        verdict = "" if self.ok else f" FAILED {self.complaint}"
        return f"upstream {self.suite}: {self.summary}{verdict}"


def _run(suite: str, command: list[str], folder: Path, server: Server) -> tuple[bool, str]:
    """Runs it in the suite's folder, which it finds its modules in; gives whether it failed, and its output."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (folder, PLUGINS, SOURCE))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SESSION_URL": server.url,
        "UPSTREAM_SUITE": suite,
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode != 0, done.stdout


def _pytest(  # noqa: PLR0917
    suite: str,
    files: list[str],
    folder: Path,
    server: Server,
    plugin: str,
    at_least: int,
    python: str = sys.executable,
) -> Outcome:
    """Runs files of tests with a plugin of ours."""
    ours = ["-p", plugin, "-p", "pytest_left_out", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    failed, output = _run(suite, [python, "-m", "pytest", "-q", *ours, *files], folder, server)
    last = (output.splitlines() or [""])[-1]
    counts = re.findall(r"(\d+) (passed|failed|xfailed|xpassed|skipped|errors?)", last)
    summary = ", ".join(f"{number} {what.replace('xfailed', 'left out')}" for number, what in counts)
    ran = sum(int(number) for number, what in counts if what in ("passed", "xfailed"))
    return Outcome(suite, failed, output, summary, ran, at_least)


def django(server: Server, options: argparse.Namespace) -> Outcome:
    """Django's tests of sessions, and of what stands on them, by its own runtests.py."""
    release = version("django")
    tests = unpacked("Django", release) / "tests"
    labels = ["django_engine", "sessions_tests.tests.SessionMiddlewareTests"]
    labels += ["messages_tests", "csrf_tests", "test_client", "test_client_regress"]
    labels += _modules_without_hashers(tests) if options.quick else ["auth_tests"]
    how = ["--settings", "django_settings", "--parallel", os.environ.get("UPSTREAM_PARALLEL", "2"), "--noinput"]
    command = [sys.executable, "runtests.py", *how, *labels]
    failed, output = _run(f"django {release}", command, tests, server)
    ran = int((re.findall(r"^Ran (\d+) tests", output, re.MULTILINE) or ["0"])[-1])
    details = (re.findall(r"^(?:OK|FAILED).*$", output, re.MULTILINE) or ["no result"])[-1]
    summary = f"{ran} run, {details.replace('expected failures', 'left out')}"
    return Outcome(f"django {release}", failed, output, summary, ran, at_least=1000)


def _modules_without_hashers(tests: Path) -> list[str]:
    modules = sorted(path.stem for path in (tests / "auth_tests").glob("test_*.py"))
    return [f"auth_tests.{module}" for module in modules if module != "test_hashers"]


def flask(server: Server, options: argparse.Namespace) -> Outcome:
    """Flask's tests of requests, which use its sessions all over."""
    release = version("flask")
    files = [f"tests/test_{name}.py" for name in ("basic", "testing", "reqctx", "signals")]
    return _pytest(f"flask {release}", files, unpacked("Flask", release), server, "flask_plugin", at_least=170)


def starlette(server: Server, options: argparse.Namespace) -> Outcome:
    """Starlette's tests of its SessionMiddleware."""
    release = version("starlette")
    files = ["tests/middleware/test_session.py"]
    folder = unpacked("starlette", release)
    return _pytest(f"starlette {release}", files, folder, server, "starlette_plugin", at_least=9)


def pyramid(server: Server, options: argparse.Namespace) -> Outcome:
    """The tests of pyramid_redis_sessions: its package is replaced by one that stands on ours, its tests are not."""
    release = "1.0.1"
    folder = unpacked("pyramid_redis_sessions", release)
    files = ["pyramid_redis_sessions/tests"]
    return _pytest(f"pyramid_redis_sessions {release}", files, folder, server, "pyramid_plugin", at_least=75)


def swampdragon(server: Server, options: argparse.Namespace) -> Outcome:
    """SwampDragon's tests of its session stores and connections, on the Python that it runs on."""
    release = "0.4.2.2"
    folder = unpacked("SwampDragon", release)
    shutil.copy(SOURCE / "redis_session_client" / "swampdragon.py", folder / "session_store.py")
    files = ["tests/test_sessions.py", "tests/test_subscriber_connection.py"]
    python = options.python or sys.executable
    outcome = _pytest(f"swampdragon {release}", files, folder, server, "swampdragon_plugin", 11, python)
    question = "import redis, sys; print('Python %d.%d, redis-py' % sys.version_info[:2], redis.__version__)"
    outcome.suite += f" ({subprocess.check_output([python, '-c', question], text=True).strip()})"
    return outcome
