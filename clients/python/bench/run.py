"""Holds this package against what sites use today, side by side in one run, and writes docs/benchmarks-python.md.

Each contender is a process of its own that stays; rounds go through all of them in turn, so that what slows the machine
down slows all of them down. Compared are the medians of the rounds. `BENCH_ROUNDS` and `BENCH_REQUESTS` say how much.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP / "clients" / "python"))

from tests.servers import Server  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "15"))
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "300"))
DELAY = 1.0  # ms, each way
CONTENDERS = [
    "django: this package",
    "django: cache, RedisCache",
    "django: cache, django-redis",
    "django: cached_db",
    "django: django-redis-sessions",
    "pyramid: this package",
    "pyramid: pyramid_redis_sessions",
    "flask: this package",
    "flask: Flask-Session",
]
KINDS = ("read", "write")
LIBRARIES = (
    "redis",
    "hiredis",
    "Django",
    "django-redis",
    "django-redis-sessions",
    "pyramid",
    "pyramid_redis_sessions",
    "Flask",
    "Flask-Session",
)


class Site:
    """A contender's process."""

    def __init__(self, contender: str, url: str, parser: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name("sites.py")), contender, url]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "BENCH_PARSER": parser},
        )
        if self._answer() != "ready":
            raise SystemExit(f"{contender} did not start")

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def measure(self, kind: str, count: int) -> tuple[float, float]:
        """Requests a second, and microseconds of CPU a request."""
        assert self._process.stdin is not None
        print(kind, count, file=self._process.stdin, flush=True)
        seconds, cpu = json.loads(self._answer())
        return count / seconds, cpu / count * 1e6

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


Figures = dict[tuple[str, str], tuple[float, float]]


def measure(url: str, requests: int, contenders: list[str], parser: str = "hiredis") -> Figures:
    """The medians of these contenders and all kinds."""
    sites = {contender: Site(contender, url, parser) for contender in contenders}
    rounds: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for turn in range(ROUNDS + 1):
        for contender, site in sites.items():
            for kind in KINDS:
                figures = site.measure(kind, requests)
                if turn:  # the first one warms up
                    rounds.setdefault((contender, kind), []).append(figures)
    for site in sites.values():
        site.close()
    return {row: tuple(map(statistics.median, zip(*figures, strict=True))) for row, figures in rounds.items()}


def table(figures: Figures) -> str:
    lines = [
        "| | reads/s | × | CPU µs | writes/s | × | CPU µs |",
        "|---|---|---|---|---|---|---|",
    ]
    for contender in dict.fromkeys(contender for contender, _ in figures):
        own = contender.split(":")[0] + ": this package"
        cells = []
        for kind in KINDS:
            rate, cpu = figures[contender, kind]
            ratio = "" if contender == own else f"{figures[own, kind][0] / rate:.2f}"
            cells += [f"{rate:,.0f}", ratio, f"{cpu:,.0f}"]
        name = f"**{contender}**" if contender == own else contender
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


PAGE = """# What a request costs in Python

`make bench-python` writes this page: {date}, {server}, Python {python}, {libraries}.

The same small site on each store: a session of 20 fields, a request that reads five and one that changes one, through
the whole framework without a web server around it. All contenders run side by side in one run, {rounds} rounds of
{requests} requests in turn, one client each, which this package makes from a URL; the figures are medians. *×* says how
many times as many requests this package serves; *CPU* is the application's own time a request, of which most is the
framework's.

## On the server's own machine

{near}

The same without hiredis, redis-py's parser in C: redis-py then reads replies in Python, of which this package's have a
few more parts.

{plain}

## With a network of {delay:g} ms each way

A store that asks the server twice waits twice.

{far}

Reading costs what django-redis's one `GET` costs: what the server does more, for it makes JSON of the fields and tells
whether the session was rotated and whose it is, the client does less. Writing asks the server twice, where Django's
cache engine asks three times.
`cached_db` writes to an SQLite database in memory here; to a database over a network it costs more.
"""


def main() -> None:
    server = Server("--save", "")
    proxy = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("delay.py")), str(server.port), str(DELAY)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert proxy.stdout is not None
        far_port = int(proxy.stdout.readline())
        near = measure(server.url, REQUESTS, CONTENDERS)
        plain = measure(server.url, REQUESTS, [name for name in CONTENDERS if name.startswith("django")], "python")
        far = measure(f"redis://127.0.0.1:{far_port}/0", max(20, REQUESTS // 6), CONTENDERS)
        said = server.command("INFO", "server")
        redis_version = next(line.split(":")[1] for line in said.splitlines() if line.startswith("redis_version"))
        from datetime import datetime, timezone

        page = PAGE.format(
            date=datetime.now(timezone.utc).date(),
            server=f"Redis {redis_version}",
            python=platform.python_version(),
            libraries=", ".join(f"{name} {version(name)}" for name in LIBRARIES),
            rounds=ROUNDS,
            requests=REQUESTS,
            delay=DELAY,
            near=table(near),
            plain=table(plain),
            far=table(far),
        )
        (TOP / "docs" / "benchmarks-python.md").write_text(page)
        print(page)
    finally:
        proxy.terminate()
        server.close()


if __name__ == "__main__":
    main()
