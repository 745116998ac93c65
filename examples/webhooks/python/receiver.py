#!/usr/bin/env python3
"""Receives webhooks: keeps each as a file of its own, once, however often it is sent."""

import hashlib
import http.server
import os
import pathlib
import secrets
import signal
import sys
import time

import signature

# The body of a webhook has less.
MAX_BODY = 4 << 20


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # For whoever says nothing, in seconds.
    timeout = 10

    def do_POST(self):
        size = self.headers.get("Content-Length", "")
        if not size.isascii() or not size.isdigit():
            return self.refuse(411, "Content-Length is missing")
        if int(size) > MAX_BODY:
            return self.refuse(413, "it is too large")
        body = self.rfile.read(int(size))
        if len(body) < int(size):
            return self.refuse(400, "it was cut off")
        try:
            # The bytes as they came: JSON that was read and written again is not what was signed.
            signature.check(self.server.secrets, self.headers.get("webhook-id"), self.headers.get("webhook-timestamp"),
                            self.headers.get("webhook-signature"), body, time.time())
        except signature.Refused as refused:
            return self.refuse(401, str(refused))
        try:
            keep(self.server.folder, self.headers["webhook-id"], body)
        except OSError as error:
            # It is sent again.
            return self.refuse(500, f"cannot write: {error.strerror}")
        self.answer(204, b"")

    def refuse(self, status, why):
        # The rest of the body may not have been read.
        self.close_connection = True
        self.answer(status, f"{why}\n".encode())

    def answer(self, status, text):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(text)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)


class Server(http.server.ThreadingHTTPServer):
    # Of connections that wait to be taken; 5 is the default.
    request_queue_size = 128


def keep(folder, webhook_id, body):
    """Writes it under a name made of its id, unless that is there. It is there whole or not at all."""
    finished = folder / f"{hashlib.sha256(webhook_id.encode()).hexdigest()}.json"
    if finished.exists():
        return
    unfinished = folder / f"{finished.stem}.unfinished-{secrets.token_hex(8)}"
    try:
        with open(unfinished, "xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(finished)
    finally:
        unfinished.unlink(missing_ok=True)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def main():
    host, port = os.environ.get("RECEIVER_LISTEN", "127.0.0.1:9000").rsplit(":", 1)
    server = Server((host, int(port)), Receiver)
    file = pathlib.Path(os.environ.get("RECEIVER_SECRET_FILE", "webhook.secret"))
    # One a line: the old one beside the new one while they change.
    server.secrets = [signature.secret_bytes(line) for line in file.read_text(encoding="ascii").split()]
    server.folder = pathlib.Path(os.environ.get("RECEIVER_FOLDER", "events"))
    server.folder.mkdir(parents=True, exist_ok=True)
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
