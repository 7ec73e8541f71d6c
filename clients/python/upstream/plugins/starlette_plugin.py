"""A pytest plugin: Starlette's SessionMiddleware is this package's while its tests are imported."""

import functools
import os

import starlette.middleware.sessions

from redis_session_client.asgi import SessionMiddleware

starlette.middleware.sessions.SessionMiddleware = functools.partial(  # type: ignore[misc, assignment]
    SessionMiddleware, url=os.environ["SESSION_URL"]
)
