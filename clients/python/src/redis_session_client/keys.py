"""Ids, the keys that they are stored under, and the handles that people may see."""

from __future__ import annotations

import re
import secrets
import string
from binascii import b2a_base64
from hashlib import sha256

_ALPHABET = string.ascii_lowercase + string.digits
_LENGTH = 32  # characters of 36 kinds: 165 random bits, 145 of them beside the hash tag
_TAG = 4  # characters that an id and the one that it is rotated to share, to be in one slot of a cluster
_ACCEPTABLE = re.compile(r"[A-Za-z0-9_.~-]{8,128}")
_FOR_URLS = bytes.maketrans(b"+/", b"-_")


def new_id(like: str | None = None) -> str:
    """Makes a session id of 32 letters and digits, from the operating system's randomness.

    With ``like`` it keeps the first four characters of that id, so that both are in one slot of a cluster.
    """
    made = like[:_TAG] if like is not None else ""
    # One number for all characters: to ask for each by itself takes ten times as long.
    number = secrets.randbelow(len(_ALPHABET) ** (_LENGTH - len(made)))
    while len(made) < _LENGTH:
        number, character = divmod(number, len(_ALPHABET))
        made += _ALPHABET[character]
    return made


def acceptable(session_id: str | None) -> bool:
    """Tells whether a browser's id could be one of ours: 8 to 128 characters of ``A-Za-z0-9_.~-``."""
    return session_id is not None and _ACCEPTABLE.fullmatch(session_id) is not None


def handle(key: str) -> str:
    """A name for a session that may be shown to people and sent back by forms: a hash of its key, 22 characters.

    It lets nobody in, and neither key nor id can be told from it.
    """
    return _digest(key)[:22]


class Keys:
    """Where sessions are stored.

    Hashed, the key is ``prefix{abcd}hash``: the hash tag is the first four characters of the id, the rest the SHA-256
    of all of it, so that a copy of the database signs nobody in. Else it is the prefix and the id as it is.
    """

    def __init__(self, prefix: str, *, hashed: bool = True) -> None:
        self.prefix = prefix
        self.hashed = hashed

    def key(self, session_id: str) -> str:
        """The key of the session with this id."""
        if not self.hashed:
            return self.prefix + session_id
        return f"{self.prefix}{{{session_id[:_TAG]}}}{_digest(session_id)}"


def _digest(text: str) -> str:
    # What urlsafe_b64encode does; each request makes a key.
    return b2a_base64(sha256(text.encode()).digest(), newline=False).translate(_FOR_URLS, b"=").decode()
