"""A way to the server on which replies get lost."""

from __future__ import annotations

import contextlib
import socket
import threading


class LossyWay:
    """Passes everything on to a server and back, but the replies to one command: the connection breaks instead.

    `times` says how often. The server has carried the command out then.
    """

    def __init__(self, port: int, command: str, times: int) -> None:
        self._server = port
        self.command = command.encode()
        self.times = times
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server)) as server, contextlib.suppress(OSError):
            # A client waits for each reply, so that what is said and what is answered alternate.
            while said := client.recv(65536):
                server.sendall(said)
                answer = server.recv(65536)
                if self.command in said and self.times:
                    self.times -= 1
                    return
                client.sendall(answer)
