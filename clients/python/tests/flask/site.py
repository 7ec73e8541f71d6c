"""The application that the tests visit."""

from __future__ import annotations

from typing import Any

import flask
from flask import Flask, request, session

from redis_session_client.flask import SessionInterface


def make_site(client: Any, **options: Any) -> Any:
    """Pages that read, write, log in and out, with a session interface of these options."""
    app = Flask(__name__)
    app.testing = True
    app.session_interface = SessionInterface(client, **options)
    add_pages(app)
    return app


def interface() -> SessionInterface:
    made = flask.current_app.session_interface
    assert isinstance(made, SessionInterface)
    return made


def add_pages(app: Flask) -> None:
    @app.get("/")
    def read() -> dict[str, Any]:
        return dict(session)

    @app.get("/plain")
    def plain() -> str:
        return "a page without a session"

    @app.get("/set/<key>/<value>")
    def put(key: str, value: str) -> str:
        session[key] = value
        return ""

    @app.get("/add/<value>")
    def add(value: str) -> str:
        session.setdefault("list", []).append(value)
        return ""

    @app.get("/take/<key>")
    def take(key: str) -> str:
        return str(session.pop(key))

    @app.get("/login/<user>")
    def login(user: str) -> str:
        session["_user_id"] = user
        return ""

    @app.get("/logout")
    def logout() -> str:
        session.clear()
        return ""

    @app.get("/devices")
    def devices() -> list[dict[str, Any]]:
        found = interface().devices(session["_user_id"], current=session)
        return [{"handle": one.handle, "device": one.device, "current": one.current} for one in found]

    @app.get("/sign-out/<handle>")
    def sign_out(handle: str) -> str:
        return str(interface().sign_out_device(session["_user_id"], handle))

    @app.get("/sign-out-others")
    def sign_out_others() -> str:
        return str(interface().sign_out(session["_user_id"], keep=session))

    @app.get("/regenerate")
    def regenerate() -> str:
        interface().regenerate(session)
        return ""

    @app.get("/agent")
    def agent() -> str:
        return request.user_agent.string


def cookie(browser: Any) -> str | None:
    """The id that the browser holds."""
    found = browser.get_cookie("session")
    return None if found is None else found.value


def with_cookie(app: Flask, value: str | None) -> Any:
    """A browser that holds this id."""
    browser = app.test_client()
    if value is not None:
        browser.set_cookie("session", value)
    return browser
