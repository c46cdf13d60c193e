"""A headless browser for tests of pages: Chromium, controlled over its protocol for developer tools."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tornado.websocket import WebSocketClientConnection, websocket_connect

__all__ = ["BROWSER", "Page", "opened"]

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
"""The path of the browser; None if the machine has none."""
_WAIT_S = 120.0
Answer = TypeVar("Answer")


class Page:
    """An open page.

    Attributes
    ----------
    messages : list of str
        The errors and warnings of the page's console, and uncaught exceptions.
    requests : list of str
        The address of each resource that the page has asked for, itself included.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: WebSocketClientConnection) -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._loop = loop
        self._connection = connection
        self._number = 0

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true."""
        end_s = time.monotonic() + _WAIT_S
        while not self.evaluate(expression):
            if time.monotonic() > end_s:
                raise TimeoutError(f"never true: {expression}")
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float, **options: Any) -> None:
        """Send an event of the mouse, at a position in the window, [px]."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **options)

    def click(self, x: float, y: float) -> None:
        """Click at a position in the window, [px]."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def screenshot(self) -> bytes:
        """Return a picture of the window as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to a command of the protocol."""
        return _finished(self._loop, self._call(method, parameters))

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        await self._connection.write_message(
            json.dumps({"id": number, "method": method, "params": parameters})
        )
        while True:
            text = await self._connection.read_message()
            if text is None:
                raise ConnectionError("the browser has closed the connection")
            message = json.loads(text)
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        """Keep what a test asks for later: errors, warnings and requests."""
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.messages.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.messages.append(str([argument.get("value") for argument in parameters["args"]]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.messages.append(str(parameters["entry"]["text"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(str(parameters["request"]["url"]))


@contextmanager
def opened(file: Path, *, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Open a file in a browser of its own, and wait until all charts are drawn.

    Parameters
    ----------
    file : Path
        The page.
    width, height : int, optional
        The size of the window, [px].
    """
    assert BROWSER is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = [
            *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"),
            *(f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"),
        ]
        process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        loop = asyncio.new_event_loop()
        try:
            connection = _finished(loop, _connect(_address(Path(profile), process)))
            page = Page(loop, connection)
            for domain in ("Runtime", "Log", "Page", "Network"):
                page.call(f"{domain}.enable")
            page.call("Page.navigate", url=file.absolute().as_uri())
            page.wait_for("location.protocol == 'file:' && document.readyState == 'complete'")
            page.wait_for(
                "!window.Bokeh || Bokeh.documents.length > 0 && Bokeh.documents.every((d) => d.is_idle)"
            )
            yield page
            connection.close()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            loop.close()


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Return the address at which the browser's first tab can be controlled."""
    port_file, end_s = profile / "DevToolsActivePort", time.monotonic() + _WAIT_S
    while True:
        if port_file.is_file() and (text := port_file.read_text(encoding="utf-8")):
            with urllib.request.urlopen(f"http://127.0.0.1:{text.split()[0]}/json") as answer:
                tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
            if tabs:
                return str(tabs[0]["webSocketDebuggerUrl"])
        if process.poll() is not None or time.monotonic() > end_s:
            raise RuntimeError("the browser does not start")
        time.sleep(0.05)


async def _connect(address: str) -> WebSocketClientConnection:
    return await websocket_connect(address, max_message_size=2**30)


def _finished(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Answer]) -> Answer:
    return loop.run_until_complete(work)
