"""HTTP/2 as a test wants it (RFC 9113), to say to a gRPC server what no library would. One call at a time."""

import struct

from .wire import Wire

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
# Of HPACK's static table (RFC 7541 appendix A), what servers of gRPC use.
STATIC = {8: (":status", "200"), 12: (":status", "400"), 13: (":status", "404"), 14: (":status", "500"),
          31: ("content-type", ""), 16: ("accept-encoding", "gzip, deflate"), 28: ("content-length", "")}


class Answer:
    def __init__(self):
        self.headers = {}
        self.data = b""
        # The error of RST_STREAM or GOAWAY, if there was one.
        self.error = None

    @property
    def status(self):
        """gRPC's; None when there is none."""
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None

    def messages(self):
        """[(whether it is compressed, its bytes)]"""
        found, left = [], self.data
        while left:
            packed, size = struct.unpack(">BI", left[:5])
            found.append((bool(packed), left[5:5 + size]))
            left = left[5 + size:]
        return found


class Http2:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.wire = Wire(host, int(port))
        self.stream = -1
        self.goaway = False
        self.wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        # No table of headers: then each stands for itself. And room for long answers.
        self.frame(SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 4, 1 << 24))
        self.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 24))

    def close(self):
        self.wire.close()

    def frame(self, kind, flags, stream, payload=b""):
        self.wire.send(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)

    def read_frame(self):
        head = self.wire.exactly(9)
        size, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
        return kind, flags, stream, self.wire.exactly(size)

    def request(self, path, message=b"", packed=False, headers=(), content_type="application/grpc", messages=None):
        """Calls a method, and gives the answer."""
        self.stream += 2
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"), ("te", "trailers"),
                  ("content-type", content_type), *headers]
        self.frame(HEADERS, END_HEADERS, self.stream, b"".join(_literal(name, value) for name, value in fields))
        body = b"".join(struct.pack(">BI", packed, len(one)) + one for one in (messages or [message]))
        # The window of a stream is 64 KiB at first.
        answer = Answer()
        window = 65535
        for at in range(0, len(body), 16384):
            piece = body[at:at + 16384]
            while window < len(piece) and answer.error is None and not answer.headers.get("grpc-status"):
                window += self._take(answer)
            if answer.headers.get("grpc-status") or answer.error is not None:
                return answer
            window -= len(piece)
            self.frame(DATA, END_STREAM if at + 16384 >= len(body) else 0, self.stream, piece)
        while answer.error is None and not self._take(answer, until_end=True):
            pass
        return answer

    def _take(self, answer, until_end=False):
        """One frame. How much the window of the stream has grown, or with `until_end` whether the answer is whole."""
        kind, flags, stream, payload = self.read_frame()
        if kind == SETTINGS and not flags & ACK:
            self.frame(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.frame(PING, ACK, 0, payload)
        elif kind == GOAWAY:
            self.goaway, answer.error = True, int.from_bytes(payload[4:8], "big")
        elif stream == self.stream and kind == RST_STREAM:
            if not answer.headers.get("grpc-status"):
                answer.error = int.from_bytes(payload, "big")
            return True
        elif stream == self.stream and kind == DATA:
            answer.data += payload
        elif stream == self.stream and kind == HEADERS:
            answer.headers.update(_decode(payload))
        elif stream == self.stream and kind == WINDOW_UPDATE and not until_end:
            return int.from_bytes(payload, "big")
        done = stream == self.stream and kind in (DATA, HEADERS) and flags & END_STREAM
        return done if until_end else 0

    def ping(self, number):
        """Waits for its answer; False: the server has had enough."""
        self.frame(PING, 0, 0, struct.pack(">Q", number))
        while True:
            kind, flags, _, payload = self.read_frame()
            if kind == SETTINGS and not flags & ACK:
                self.frame(SETTINGS, ACK, 0)
            if kind == GOAWAY:
                return False
            if kind == PING and flags & ACK and struct.unpack(">Q", payload)[0] == number:
                return True


def _integer(value, bits, first=0):
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    encoded, value = [first | most], value - most
    while value >= 128:
        encoded.append(value % 128 + 128)
        value //= 128
    return bytes([*encoded, value])


def _literal(name, value):
    return b"\0" + b"".join(_integer(len(text), 7) + text for text in (name.encode(), value.encode()))


def _read_integer(block, at, bits):
    most = (1 << bits) - 1
    value = block[at] & most
    at += 1
    if value < most:
        return value, at
    shift = 0
    while True:
        value += (block[at] & 127) << shift
        shift += 7
        at += 1
        if not block[at - 1] & 128:
            return value, at


def _read_text(block, at):
    packed = block[at] & 128
    size, at = _read_integer(block, at, 7)
    # Of Huffman's code nothing is needed here.
    return None if packed else block[at:at + size].decode("latin-1"), at + size


def _decode(block):
    fields, at = {}, 0
    while at < len(block):
        first = block[at]
        if first & 0x80:
            index, at = _read_integer(block, at, 7)
            name, value = STATIC.get(index, (f"static-{index}", ""))
        elif first & 0xe0 == 0x20:
            _, at = _read_integer(block, at, 5)
            continue
        else:
            index, at = _read_integer(block, at, 6 if first & 0x40 else 4)
            name = STATIC.get(index, (f"static-{index}", ""))[0]
            if index == 0:
                name, at = _read_text(block, at)
            value, at = _read_text(block, at)
        fields[name] = value
    return fields
