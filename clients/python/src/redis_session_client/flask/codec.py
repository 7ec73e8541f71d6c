"""Flask's own JSON of sessions, which keeps tuple, bytes, Markup, UUID and datetime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flask.json
from flask.json.tag import TaggedJSONSerializer

from ..fields import ALIKE, ATOMS, Codec, Encoded, are_atoms, compact


class TaggedCodec(Codec):
    """Each top-level key is a field of its own, whose value has the tags of a `TaggedJSONSerializer`."""

    def __init__(self, serializer: TaggedJSONSerializer) -> None:
        super().__init__(dumps=_dumps)
        self._serializer = serializer

    def decode(self, parts: tuple[Encoded, ...]) -> dict[str, Any]:
        decoded = super().decode(parts)
        if are_atoms(decoded.values()):  # which have no tags
            return decoded
        return {name: self._untagged(value) for name, value in decoded.items()}

    def encode(self, changed: Mapping[str, Any], gone: list[str], *, careful: bool = False) -> Encoded:
        return super().encode({name: self._tagged(value) for name, value in changed.items()}, gone, careful=careful)

    def same(self, before: Any, now: Any) -> bool:
        return super().same(self._tagged(before), self._tagged(now))

    def _object(self, members: dict[str, Any]) -> str:
        # These are the same whoever makes JSON of them.
        return compact(members) if ALIKE.issuperset(map(type, members.values())) else super()._object(members)

    def _tagged(self, value: Any) -> Any:
        return value if type(value) in ATOMS else self._serializer.tag(value)

    def _untagged(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._serializer.untag({name: self._untagged(inner) for name, inner in value.items()})
        if isinstance(value, list):
            return [self._untagged(inner) for inner in value]
        return value


def _dumps(value: Any) -> str:
    # The application's own provider, if it has one, as for the sessions that Flask keeps in cookies.
    return flask.json.dumps(value, separators=(",", ":"))
