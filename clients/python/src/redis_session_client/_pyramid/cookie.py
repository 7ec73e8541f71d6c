"""The session's id in a signed cookie, in the form of pyramid_redis_sessions, so that both read each other's cookies.

That form is a pickled string with an HMAC-SHA1 before it. What is unpickled here is signed, and a string or nothing: a
pickle that names a function is refused, even where the secret is known to others.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import pickle
from typing import Any

_SIGNATURE = 40  # characters: SHA-1 in hex


class Signer:
    """Signs ids with a secret, a str or bytes."""

    def __init__(self, secret: str | bytes) -> None:
        secret = secret if isinstance(secret, bytes) else _secret_bytes(secret)
        self._hmac = hmac.new(secret, digestmod=hashlib.sha1)

    def sign(self, session_id: str) -> str:
        """The cookie's value for an id."""
        pickled = pickle.dumps(session_id, pickle.HIGHEST_PROTOCOL)
        return self._signature(pickled) + base64.b64encode(pickled).decode()

    def read(self, value: str | None) -> str | None:
        """The id in a cookie's value. None: there is no cookie, or it is not one of ours."""
        if not value:
            return None
        try:
            pickled = binascii.a2b_base64(value[_SIGNATURE:])
            # In bytes: the comparison takes no str with other characters than ASCII.
            if not hmac.compare_digest(self._signature(pickled).encode(), value[:_SIGNATURE].encode()):
                return None
            session_id = _Strings(io.BytesIO(pickled)).load()
        except (binascii.Error, ValueError, EOFError, pickle.UnpicklingError):
            return None
        return session_id if isinstance(session_id, str) and session_id else None

    def _signature(self, pickled: bytes) -> str:
        signed = self._hmac.copy()  # cheaper than a new one, for which OpenSSL looks up the algorithm
        signed.update(pickled)
        return signed.hexdigest()


class _Strings(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"a session cookie holds a string, not {module}.{name}")


def _secret_bytes(secret: str) -> bytes:
    # Pyramid takes Latin-1 where it can.
    try:
        return secret.encode("latin-1")
    except UnicodeEncodeError:
        return secret.encode()
