"""Django's sessions on a server with the redis-session module: `SESSION_ENGINE = "redis_session_client.django"`.

Put it into INSTALLED_APPS, too, for "my devices": what is known of each login, the pages, the admin, the checks.
"""

from . import receivers as _receivers  # noqa: F401 (connects them)
from .devices import acount, adevices, asign_out, asign_out_device, count, devices, sign_out, sign_out_device
from .engine import SessionStore
from .exceptions import SessionConflict, SessionLimit, SessionRotated
from .step_up import requires_step_up

__all__ = [
    "SessionConflict",
    "SessionLimit",
    "SessionRotated",
    "SessionStore",
    "acount",
    "adevices",
    "asign_out",
    "asign_out_device",
    "count",
    "devices",
    "requires_step_up",
    "sign_out",
    "sign_out_device",
]
