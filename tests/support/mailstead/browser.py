"""Debian's Chromium without a window, by its debugging protocol over two pipes: what pages do in a real browser."""

import json
import os
import select
import subprocess
import tempfile
import time

from .paths import tool


class Browser:
    """One page."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="mailstead-browser-", ignore_cleanup_errors=True)
        to_read, self._to = os.pipe()
        self._from, from_write = os.pipe()
        # Chromium reads from 3 and writes to 4.
        command = (f'exec 3<&{to_read} 4>&{from_write}; exec "$0" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage '
                   f'--no-first-run --remote-debugging-pipe --user-data-dir="$1" about:blank')
        self._process = subprocess.Popen(["bash", "-c", command, tool("chromium"), self._folder.name], pass_fds=(to_read, from_write),
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self._buffer, self._last, self._session = b"", 0, None
        # What the page was refused, and what it has thrown.
        self.complaints = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def close(self):
        self._session = None
        self._call("Browser.close")
        self._process.wait(60)
        os.close(self._to)
        os.close(self._from)
        self._folder.cleanup()

    def go(self, url):
        self._call("Page.navigate", url=url)

    def run(self, script):
        """The value of an expression; of a promise what it comes to."""
        done = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise AssertionError(done["exceptionDetails"])
        return done["result"].get("value")

    def _call(self, method, **parameters):
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            got = self._next(deadline)
            if got.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(got["params"]))
            if got.get("method") == "Log.entryAdded" and got["params"]["entry"]["level"] in ("warning", "error"):
                self.complaints.append(got["params"]["entry"]["text"])
            if got.get("id") == self._last:
                assert "error" not in got, got
                return got["result"]

    def _next(self, deadline):
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self._from], [], [], left)[0], "the browser does not answer"
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser has ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)
