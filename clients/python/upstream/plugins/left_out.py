"""The tests that cannot pass here, each with its reason: left-out/<suite>.txt, and left-out/<suite>-<release>.txt.

Lines that begin with "#" are the reason of the tests named below them, up to the next reason. Left-out tests run all
the same and are expected to fail, so that none stays in the list that need not. (Python 3.6 reads this file, too.)
"""

import os
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "left-out"


def left_out():  # type: ignore[no-untyped-def]
    """The names of the left-out tests of the suite that runs, each with its reason."""
    suite, release = os.environ["UPSTREAM_SUITE"].split(" ")
    minor = ".".join(release.split(".")[:2])
    found = {}
    for name in (suite, suite + "-" + minor):
        path = FOLDER / (name + ".txt")
        if path.exists():
            found.update(_read(path.read_text(encoding="utf-8")))
    return found


def _read(text):  # type: ignore[no-untyped-def]
    found = {}
    reason = []
    named = False
    for line in text.splitlines():
        if line.startswith("#"):
            reason = [*(reason if not named else []), line[1:].strip()]
            named = False
        elif line.strip():
            found[line.strip()] = " ".join(reason)
            named = True
    return found
