"""What a cookie may hold."""

from __future__ import annotations

import base64
import pickle

import pytest

from redis_session_client._pyramid.cookie import Signer

SIGNER = Signer("secret")


def signed(payload: bytes) -> str:
    """What only somebody who knows the secret can make."""
    return SIGNER._signature(payload) + base64.b64encode(payload).decode()


@pytest.mark.parametrize("secret", ["secret", b"secret", "s\xe9cret", "\u20ac"])
def test_an_id_comes_back(secret):
    assert Signer(secret).read(Signer(secret).sign("an id")) == "an id"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_the_form_of_pyramid_1():
    session = pytest.importorskip("pyramid.session")
    if not hasattr(session, "UnencryptedCookieSessionFactoryConfig"):
        pytest.skip("Pyramid 2")
    for secret in ("secret", "s\xe9cret", "\u20ac"):
        signer = Signer(secret)
        assert session.signed_deserialize(signer.sign("an id"), secret) == "an id"
        assert signer.read(session.signed_serialize("an id", secret)) == "an id"


@pytest.mark.parametrize("value", [None, "", "x", "x" * 40, "x" * 100, "\u20ac" * 50, "a" * 40 + "===="])
def test_what_is_not_signed_is_no_id(value):
    assert SIGNER.read(value) is None
    assert Signer("other").read(SIGNER.sign("an id")) is None


@pytest.mark.parametrize("held", [7, b"bytes", ["list"], "", None])
def test_what_is_not_a_string_is_no_id(held):
    assert SIGNER.read(signed(pickle.dumps(held))) is None


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"\x80", b".", b"\x80\x05K\x01", pickle.dumps("an id")[:-3]])
def test_what_is_no_pickle_is_no_id(payload):
    assert SIGNER.read(signed(payload)) is None


def ran(*_: object) -> None:
    raise AssertionError("code in a cookie ran")


class Evil:
    def __reduce__(self):
        return ran, ([],)


def test_code_in_a_cookie_does_not_run_even_where_the_secret_is_known():
    payload = pickle.dumps(Evil())
    with pytest.raises(AssertionError, match="ran"):
        pickle.loads(payload)
    assert SIGNER.read(signed(payload)) is None
