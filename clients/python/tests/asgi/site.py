"""The application that the tests visit."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocket

from redis_session_client import SessionLimit
from redis_session_client.asgi import (
    SessionMiddleware,
    count,
    devices,
    rotate,
    save,
    set_lifetime,
    sign_out,
    sign_out_device,
    step_up,
    stepped_up,
    touch,
)


async def read(request: Request) -> Response:
    return JSONResponse(request.session)


async def plain(_: Request) -> Response:
    return PlainTextResponse("a page without a session")


async def put(request: Request) -> Response:
    request.session[request.path_params["key"]] = request.path_params["value"]
    return PlainTextResponse("")


async def take(request: Request) -> Response:
    return PlainTextResponse(request.session.pop(request.path_params["key"]))


async def add(request: Request) -> Response:
    request.session.setdefault("list", [])
    request.session["list"].append(request.path_params["value"])
    return PlainTextResponse("")


async def append(request: Request) -> Response:
    request.session["list"].append(request.path_params["value"])
    return PlainTextResponse("")


async def login(request: Request) -> Response:
    request.session["user_id"] = request.path_params["user"]
    return PlainTextResponse("")


async def polite(request: Request) -> Response:
    request.session["user_id"] = request.path_params["user"]
    try:
        await save(request)
    except SessionLimit:
        del request.session["user_id"]
        return PlainTextResponse("sign out another device first", 403)
    return PlainTextResponse("welcome")


async def logout(request: Request) -> Response:
    request.session.clear()
    return PlainTextResponse("")


async def turn(request: Request) -> Response:
    rotate(request)
    return PlainTextResponse("")


async def list_devices(request: Request) -> Response:
    found = await devices(request)
    return JSONResponse([{"handle": one.handle, "device": one.device, "current": one.current} for one in found])


async def end_device(request: Request) -> Response:
    return JSONResponse(await sign_out_device(request, request.path_params["handle"]))


async def end_others(request: Request) -> Response:
    return JSONResponse(await sign_out(request, keep_current=True))


async def end_all(request: Request) -> Response:
    request.session["late"] = "1"
    return JSONResponse(await sign_out(request))


async def how_many(request: Request) -> Response:
    return JSONResponse(await count(request, request.path_params["user"]))


async def shorter(request: Request) -> Response:
    set_lifetime(request, 600)
    return PlainTextResponse("")


async def confirm(request: Request) -> Response:
    step_up(request)
    return PlainTextResponse("")


async def danger(request: Request) -> Response:
    return JSONResponse(stepped_up(request))


async def stream(request: Request) -> Response:
    async def body() -> Any:
        yield b"1"
        request.session["streamed"] = "1"
        yield b"2"

    return StreamingResponse(body())


async def background(request: Request) -> Response:
    def task() -> None:
        request.session["later"] = "1"

    return PlainTextResponse("", background=BackgroundTask(task))


async def refused(websocket: WebSocket) -> None:
    websocket.session["refused"] = "1"
    await websocket.close()


async def socket(websocket: WebSocket) -> None:
    """Sets a key before it accepts, if asked to; then answers to words."""
    if "before" in websocket.query_params:
        websocket.session["before"] = websocket.query_params["before"]
    await websocket.accept()
    async for word in websocket.iter_text():
        if word == "read":
            await websocket.send_json(dict(websocket.session))
        elif word == "touch":
            await websocket.send_json(await touch(websocket))
        elif word == "save":
            await save(websocket)
            await websocket.send_json("saved")
        elif word == "break":
            raise RuntimeError("broken")
        else:
            websocket.session["said"] = word


PAGES = {
    "/": read,
    "/plain": plain,
    "/set/{key}/{value}": put,
    "/take/{key}": take,
    "/add/{value}": add,
    "/append/{value}": append,
    "/login/{user}": login,
    "/polite/{user}": polite,
    "/logout": logout,
    "/rotate": turn,
    "/devices": list_devices,
    "/sign-out/{handle}": end_device,
    "/sign-out-others": end_others,
    "/sign-out-all": end_all,
    "/count/{user}": how_many,
    "/shorter": shorter,
    "/confirm": confirm,
    "/danger": danger,
    "/stream": stream,
    "/background": background,
}


def make_site(*, more: dict[str, Any] | None = None, **options: Any) -> Starlette:
    """Pages that read, write, log in and out, and a web socket, behind the middleware with these options."""
    routes = [Route(path, page) for path, page in {**PAGES, **(more or {})}.items()]
    return Starlette(
        routes=[*routes, WebSocketRoute("/socket", socket), WebSocketRoute("/refused", refused)],
        middleware=[Middleware(SessionMiddleware, **options)],
    )


def visit(app: Any, cookie: str | None = None, **options: Any) -> TestClient:
    """A browser; with the id that it holds."""
    return TestClient(app, cookies=None if cookie is None else {"session": cookie}, **options)


def ask(socket: WebSocketTestSession, *words: str) -> Any:
    """Says these words in a web socket, and returns what the last is answered."""
    for word in words:
        socket.send_text(word)
    return socket.receive_json()
