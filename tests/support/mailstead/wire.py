"""A TCP connection that reads lines and exact byte counts and never translates anything."""

import socket
import ssl


class Wire:
    def __init__(self, host, port, timeout=30.0, source=None):
        self.socket = socket.create_connection((host, port), timeout, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def start_tls(self, context, name="localhost"):
        """The client's handshake. Bytes of the server that are still in the buffer are an error of the test."""
        assert not self.buffer, f"bytes before the handshake: {self.buffer!r}"
        self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def send(self, data: bytes):
        self.socket.sendall(data)

    def _fill(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError("the server closed the connection")
        self.buffer += data

    def line(self) -> bytes:
        """Up to and without CRLF. A line that ends in a bare LF raises ValueError."""
        while True:
            end = self.buffer.find(b"\n")
            if end >= 0:
                line, self.buffer = self.buffer[:end + 1], self.buffer[end + 1:]
                if not line.endswith(b"\r\n"):
                    raise ValueError(f"bare LF from the server: {line[-80:]!r}")
                return line[:-2]
            self._fill()

    def exactly(self, count) -> bytes:
        while len(self.buffer) < count:
            self._fill()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def until(self, end: bytes) -> bytes:
        """Up to and with `end`."""
        parts = []
        seen = b""
        while True:
            window = seen + self.buffer
            at = window.find(end)
            if at >= 0:
                taken = at + len(end) - len(seen)
                parts.append(self.buffer[:taken])
                self.buffer = self.buffer[taken:]
                return b"".join(parts)
            parts.append(self.buffer)
            seen = window[-(len(end) - 1):]
            self.buffer = b""
            self._fill()

    def at_end(self, timeout=10.0) -> bool:
        """Whether the server closes now. Bytes it sent before are thrown away."""
        self.socket.settimeout(timeout)
        self.buffer = b""
        try:
            while self.socket.recv(65536):
                pass
            return True
        except (ConnectionError, ssl.SSLError):
            return True
        except TimeoutError:
            return False

    def silent_for(self, seconds) -> bool:
        """Whether the server says nothing for so long."""
        if self.buffer:
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
            self.buffer += data
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        """Vanishes: the peer gets RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
