"""The parts of the README that belong to no framework."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.pages import at_server, examples, section
from tests.servers import TOP, Server

README = TOP / "clients/python/README.md"


def test_without_a_framework(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(at_server(examples(section(README, "Without a framework"))[0], server), names)
    session, store = names["session"], names["store"]
    assert store.load(session.id).data() == {"cart": ["book"]}
    assert session.id != names["session_id"]
    assert capsys.readouterr().out.endswith(" True\n")
    assert store.count("alice") == 1


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README.read_text()))))
def test_links_lead_somewhere(link: str) -> None:
    assert (README.parent / Path(link)).exists()
