"""Sessions of Starlette, FastAPI and other ASGI applications on the server: `SessionMiddleware(app, url=...)`."""

from .middleware import SessionMiddleware
from .operations import (
    count,
    devices,
    rotate,
    save,
    session_id,
    set_lifetime,
    sign_out,
    sign_out_device,
    step_up,
    stepped_up,
    touch,
)
from .session import Session

__all__ = [
    "Session",
    "SessionMiddleware",
    "count",
    "devices",
    "rotate",
    "save",
    "session_id",
    "set_lifetime",
    "sign_out",
    "sign_out_device",
    "step_up",
    "stepped_up",
    "touch",
]
