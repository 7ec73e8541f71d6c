"""A session's data as fields of the server, and what has changed in it since it was read.

Each top-level key is a field of its own, so that two requests that write different ones keep both. Most values travel
as members of one JSON object. What JSON cannot carry (NaN, a depth over 64, a name that is no Unicode, the bytes of
another serializer) goes as a *raw* field of text beginning with a NUL character, and comes back by the same read.
"""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

_MARK = "\0"
_JSON = _MARK + "j"  # then JSON text, or what Python takes for it (NaN)
_BYTES = _MARK + "b"  # then base64
_MISSING = object()
_PARTS = 8
_MAX_DEPTH = 64  # of the server, the object around the members included

#: The types of JSON's plain values, which cannot be changed but only replaced.
ATOMS = frozenset((str, int, float, bool, type(None)))
#: Those of them that are equal where their JSON is, and else are not: NaN is unlike itself, and -0.0 is like 0.0.
ALIKE = ATOMS - {float}


def are_atoms(values: Iterable[Any]) -> bool:
    """Tells whether all values are plain ones. Most sessions hold no others, and are spared some work."""
    return ATOMS.issuperset(map(type, values))


#: JSON text without white space. (json.dumps would make an encoder at each call.)
compact = json.JSONEncoder(separators=(",", ":")).encode


class Encoded(NamedTuple):
    """Fields as a command carries them: a JSON object, raw names and values, and names to remove."""

    json: str | None = None
    raw: tuple[tuple[str, str], ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.json is not None or bool(self.raw) or bool(self.gone)


Stored = dict[str, Any]  # field name -> what JSON says of it: a value, or the text of a raw field


def stored(parts: tuple[Encoded, ...]) -> Stored:
    """What a session holds that was read and then written in parts."""
    fields: Stored = {}
    for part in parts:
        for name in part.gone:
            fields.pop(name, None)
        if part.json is not None:
            fields.update(json.loads(part.json))
        fields.update(part.raw)
    return fields


def compacted(parts: tuple[Encoded, ...]) -> tuple[Encoded, ...]:
    """The same in one part, where there are many: a web socket saves its session for hours."""
    return parts if len(parts) <= _PARTS else (Encoded(compact(stored(parts))),)


class Codec:
    """JSON, one member for each top-level key. ``dumps`` makes compact JSON text of any value, ``loads`` reads it."""

    def __init__(
        self, dumps: Callable[[Any], str | bytes] | None = None, loads: Callable[[str], Any] | None = None
    ) -> None:
        self._dumps = dumps or compact
        self._loads = loads or _loads

    def decode(self, parts: tuple[Encoded, ...]) -> dict[str, Any]:
        """The data of a session as an application sees it: new objects at each call."""
        if len(parts) == 1 and parts[0].json is not None and "\\u0000" not in parts[0].json and not parts[0].raw:
            data: dict[str, Any] = self._loads(parts[0].json)
            return data
        return {_plain_name(name): self.value(text) for name, text in stored(parts).items()}

    def value(self, text: Any) -> Any:
        """The value of a field, from what is stored."""
        if isinstance(text, str) and text.startswith(_MARK):
            return self._loads(text.removeprefix(_JSON))
        return self._loads(compact(text)) if self._loads is not _loads else text

    def difference(
        self, parts: tuple[Encoded, ...], data: Mapping[Any, Any], decoded: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], list[str]]:
        """What was set, and the names of what was removed, since the session was read (and written) in parts.

        `decoded` is a copy, not a deep one, of what was decoded of these parts.
        """
        before = decoded.copy() if decoded is not None and are_atoms(decoded.values()) else self.decode(parts)
        changed: dict[str, Any] = {}
        for key, value in data.items():
            name = key if type(key) is str else _name(key)
            was = before.pop(name, _MISSING)
            if type(value) not in ALIKE or type(was) is not type(value):
                if was is _MISSING or not self.same(was, value):
                    changed[name] = value
            elif was is not value and was != value:
                changed[name] = value
        return changed, list(before)

    def same(self, before: Any, now: Any) -> bool:
        """Compares two values by what is written of them."""
        return self._text(before) == self._text(now)

    def encode(self, changed: Mapping[str, Any], gone: list[str], *, careful: bool = False) -> Encoded:
        """What to send. ``careful`` looks at each value whether it is JSON as the server knows it."""
        plain: dict[str, Any] = {}
        raw: list[tuple[str, str]] = []
        for name, value in changed.items():
            if careful and not _carried(text := self._text(value)):
                raw.append((_field(name), _JSON + text))
            elif isinstance(value, str) and value.startswith(_MARK):
                raw.append((_field(name), _JSON + self._text(value)))
            elif (field := _field(name)) != name:
                raw.append((field, _JSON + self._text(value)))
            else:
                plain[name] = value
        return Encoded(self._object(plain) if plain else None, tuple(raw), tuple(_field(name) for name in gone))

    def _object(self, members: dict[str, Any]) -> str:
        return self._text(members)

    def _text(self, value: Any) -> str:
        text = self._dumps(value)
        return text if isinstance(text, str) else text.decode()


class BytesCodec(Codec):
    """Any other serializer, value by value: ``dumps`` makes bytes of it, ``loads`` reads them; pickle without them.

    Unpickling runs what the bytes say. Whoever may write to the server's data can run code in the application then.
    """

    def __init__(
        self, dumps: Callable[[Any], bytes] | None = None, loads: Callable[[bytes], Any] | None = None
    ) -> None:
        super().__init__()
        self._to_bytes = dumps or pickle.dumps
        self._from_bytes = loads or pickle.loads

    def decode(self, parts: tuple[Encoded, ...]) -> dict[str, Any]:
        return {_plain_name(name): self.value(text) for name, text in stored(parts).items()}

    def value(self, text: Any) -> Any:
        if isinstance(text, str) and text.startswith(_BYTES):
            return self._from_bytes(base64.b64decode(text.removeprefix(_BYTES)))
        return super().value(text)

    def difference(
        self, parts: tuple[Encoded, ...], data: Mapping[Any, Any], decoded: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], list[str]]:
        # Two objects of any class cannot be compared; what they are written as can.
        before = {_plain_name(name): text for name, text in stored(parts).items()}
        now = {_name(key): value for key, value in data.items()}
        changed = {
            name: value
            for name, value in now.items()
            if name not in before or not self._same_bytes(before[name], value)
        }
        return changed, [name for name in before if name not in now]

    def encode(self, changed: Mapping[str, Any], gone: list[str], *, careful: bool = False) -> Encoded:
        raw = tuple((_field(name), self._base64(value)) for name, value in changed.items())
        return Encoded(None, raw, tuple(_field(name) for name in gone))

    def _base64(self, value: Any) -> str:
        return _BYTES + base64.b64encode(self._to_bytes(value)).decode()

    def _same_bytes(self, text: Any, value: Any) -> bool:
        now = self._base64(value)
        # Pickle writes an object that it has just read differently now and then (shared strings): ask it once more.
        return bool(text == now) or self._base64(self.value(text)) == now


_decoder = json.JSONDecoder()


def _loads(text: str) -> Any:
    """As json.loads, of text that has no white space around it."""
    return _decoder.raw_decode(text)[0]


def _name(key: Any) -> str:
    """A top-level key as JSON names it: true, null and numbers become their text, as in json.dumps."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    raise TypeError(f"keys of a session must be str, int, float, bool or None, not {type(key).__name__}")


def _field(name: str) -> str:
    """The field of a name: itself, unless it is no Unicode or looks like the text that stands for such a one."""
    if name.startswith(_MARK) or (not name.isascii() and not _is_unicode(name)):
        return _MARK + json.dumps(name)
    return name


def _plain_name(field: str) -> str:
    if field.startswith(_MARK):
        name: str = json.loads(field[1:])
        return name
    return field


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _carried(text: str) -> bool:
    """Tells whether the server takes this text as the JSON of a member's value."""
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return _depth(text) < _MAX_DEPTH


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _depth(text: str) -> int:
    """How deep the arrays and objects of a JSON text are nested."""
    depth = deepest = 0
    inside = escaped = False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
