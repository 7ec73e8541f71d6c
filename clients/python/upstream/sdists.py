"""Source distributions, which hold the test suites: fetched by pip into build/, unpacked beside their archive."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).resolve().parents[3] / "build" / "python" / "sdists"


def unpacked(name: str, version: str) -> Path:
    """The folder of this release, fetched where it is not there yet."""
    target = BUILD / f"{name}-{version}".lower()
    if not target.exists():
        fresh = target.with_name(target.name + ".partial")
        shutil.rmtree(fresh, ignore_errors=True)
        _download(f"{name}=={version}", fresh)
        archive = next(fresh.iterdir())
        shutil.unpack_archive(archive, fresh / "content")
        (fresh / "content").rename(target)
        shutil.rmtree(fresh)
    return next(target.iterdir())


def _download(requirement: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "--disable-pip-version-check", "--dest", str(folder), requirement], check=True)
