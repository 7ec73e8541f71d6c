"""Flask's sessions on the server: `app.session_interface = SessionInterface(client)`, or `RedisSession(app)`."""

from .extension import RedisSession
from .interface import SessionInterface, session_gone
from .rollback import RollBack
from .session import Session

__all__ = ["RedisSession", "RollBack", "Session", "SessionInterface", "session_gone"]
