"""Runs suites of others on this package, each against a server of its own: `python -m upstream django flask ...`.

Options after the names: --quick leaves out Django's tests of password hashers, which touch no session and take longer
than all others together; --python PROGRAM runs SwampDragon's suite, whose Python is older than ours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.servers import Server

from .suites import Outcome, django, flask, pyramid, starlette, swampdragon

SUITES: dict[str, Callable[[Server, argparse.Namespace], Outcome]] = {
    "django": django,
    "flask": flask,
    "pyramid": pyramid,
    "starlette": starlette,
    "swampdragon": swampdragon,
}


def main() -> int:
    """Prints a line for each suite, and the whole output of those that fail."""
    parser = argparse.ArgumentParser(prog="python -m upstream", description=__doc__)
    parser.add_argument("suite", nargs="+", choices=SUITES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--python")
    options = parser.parse_args()
    failed = False
    for name in options.suite:
        server = Server("--save", "")
        try:
            outcome = SUITES[name](server, options)
            left_behind = server.command("INFO", "commandstats").count("cmdstat_session.")
        finally:
            server.close()
        if outcome.ok and not left_behind:
            outcome.complaint = "the suite passed without a single SESSION command: it did not run on this package"
        if not outcome.ok:
            failed = True
            print(outcome.output)
        print(outcome, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
