"""Runs SwampDragon's own tests of sessions and connections, unchanged, on our store.

    python -m upstream.swampdragon.run

It wants a Python 3.6 (PYTHON36, python3.6 on the PATH, or one of pyenv's): SwampDragon needs Django 1.8, and that no
later Python. Without one it says so and ends well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.servers import TOP, Server

HERE = Path(__file__).parent
BUILD = TOP / "build" / "python" / "swampdragon"
STORE = TOP / "clients" / "python" / "src" / "redis_session_client" / "swampdragon.py"
SDIST = "SwampDragon-0.4.2.2"
TESTS = ("tests/test_sessions.py", "tests/test_subscriber_connection.py")
# redis-py as SwampDragon knows it, and the last one that Python 3.6 runs.
REDIS = ("redis==2.10.6", "redis==4.3.6")
REQUIREMENTS = (
    "Django==1.8.19",
    "tornado==4.5.3",
    "sockjs-tornado==1.0.5",
    "tornado-redis==2.4.18",
    "python-dateutil==2.9.0.post0",
    "pytest==7.0.1",
)


def python36() -> str | None:
    named = [os.environ.get("PYTHON36"), shutil.which("python3.6")]
    candidates = [*filter(None, named), *map(str, Path.home().glob(".pyenv/versions/3.6.*/bin/python"))]
    return next(filter(is_python36, candidates), None)


def is_python36(program: str) -> bool:
    # pyenv puts a python3.6 on the PATH that only says how to choose one.
    said = subprocess.run([program, "-V"], capture_output=True, text=True, check=False)
    return said.stdout.startswith("Python 3.6.")


def prepare(python: str) -> Path:
    """Makes the virtual environment and unpacks the sdist. Returns the environment's Python."""
    BUILD.mkdir(parents=True, exist_ok=True)
    inside = BUILD / "venv" / "bin" / "python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", str(BUILD / "venv")], check=True)
    pip = [str(inside), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", "setuptools<58", "wheel", *REQUIREMENTS], check=True)
    archive = BUILD / f"{SDIST}.tar.gz"
    if not archive.exists():
        command = [*pip, "download", "-q", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
        subprocess.run([*command, "--dest", str(BUILD), SDIST.replace("-", "==")], check=True)
    shutil.rmtree(BUILD / SDIST, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(BUILD, filter="data")
    # What a site does whose Python is too old for the package.
    shutil.copy(STORE, BUILD / SDIST / "session_store.py")
    return inside


def run(python: Path, server: Server) -> int:
    tree = BUILD / SDIST
    environment = {**os.environ, "SESSION_PORT": str(server.port), "PYTHONPATH": f"{HERE}:{tree}"}
    command = [str(python), "-m", "pytest", "-q", "-W", "ignore", "-p", "plugin", "-p", "no:cacheprovider", *TESTS]
    return subprocess.run(command, cwd=tree, env=environment, check=False).returncode


def main() -> int:
    python = python36()
    if python is None:
        print("no Python 3.6 here: SwampDragon's own tests are left out")
        return 0
    inside = prepare(python)
    server = Server("--save", "")
    try:
        for version in REDIS:
            subprocess.run([str(inside), "-m", "pip", "install", "-q", version], check=True)
            print(f"SwampDragon 0.4.2.2 on Python 3.6, {version}", flush=True)
            with server.counting() as calls:
                failed = run(inside, server)
            if failed:
                return failed
            assert calls["session.set"], "the tests did not write to the server"
            assert calls["session.getex"], "the tests did not read from the server"
    finally:
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
