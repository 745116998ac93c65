"""A web server of MTA-STS policies, for many domains at one address: what it says for each, and who it says it is, is up to
the test."""

import socket
import ssl
import threading


def policy(mode, *hosts, max_age=604800):
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), f"max_age: {max_age}"]
    return "".join(f"{line}\r\n" for line in lines)


def response(body, status="200 OK", content_type="text/plain", fields=()):
    """Bytes of a whole response."""
    body = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *([f"Content-Type: {content_type}"] if content_type else []),
             *fields, "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


class PolicyHost:
    """`responses`: by host, bytes, or a function of the connection that sends them. `contexts`: by host, with which certificate;
    else `context`. `requests`: (host, request line) of all that came."""

    def __init__(self, case, context, address="127.0.0.1", port=0):
        self.responses = {}
        self.contexts = {}
        self.requests = []
        self.fields = []
        self._context = context
        context.sni_callback = self._choose
        self._socket = socket.create_server((address, port))
        self.port = self._socket.getsockname()[1]
        case.addCleanup(self._close)
        threading.Thread(target=self._accept, daemon=True).start()

    def count(self, host):
        return sum(1 for asked, _ in self.requests if asked == host)

    def _choose(self, secured, name, _):
        if name in self.contexts:
            secured.context = self.contexts[name]

    def _close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with self._context.wrap_socket(connection, server_side=True) as secured:
                reader = secured.makefile("rb")
                line = reader.readline().decode().strip()
                if not line:
                    # It has seen the certificate, and gone.
                    return
                fields = {}
                while field := reader.readline().decode().strip():
                    name, _, value = field.partition(":")
                    fields[name.lower()] = value.strip()
                host = fields.get("host", "").partition(":")[0]
                self.fields.append(fields)
                self.requests.append((host, line))
                said = self.responses.get(host, response("", "404 Not Found"))
                if callable(said):
                    said(secured)
                else:
                    secured.sendall(said)
        except (OSError, ValueError, ssl.SSLError):
            pass
