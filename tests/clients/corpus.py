"""The messages every client sends and fetches. Always the same bytes, so that a failure can be repeated."""

import base64
import dataclasses
import functools
import random


@dataclasses.dataclass(frozen=True)
class Message:
    name: str
    content: bytes
    # Has addresses in UTF-8 and needs SMTPUTF8 (RFC 6531).
    utf8: bool = False

    def __repr__(self):
        return f"Message({self.name}, {len(self.content)} bytes)"


def _header(subject, *more):
    return "\r\n".join([
        "From: Sender <sender@elsewhere.test>",
        "To: Demo <demo@example.test>",
        f"Subject: {subject}",
        "Date: Mon, 23 Nov 2026 05:00:00 +0000",
        f"Message-ID: <{subject.replace(' ', '-')}@elsewhere.test>",
        *more,
    ]).encode() + b"\r\n\r\n"


def _plain():
    return _header("plain") + b"Hello,\r\n\r\nthis is a short message.\r\n-- \r\nA signature\r\n"


def _multipart():
    attachment = base64.encodebytes(random.Random(1).randbytes(20_000)).replace(b"\n", b"\r\n")
    return (_header("multipart", "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="=_part"')
            + b"A preamble.\r\n--=_part\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThe text.\r\n"
            + b"--=_part\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
            + b"--inner\r\nContent-Type: text/plain\r\n\r\n.\r\n--inner\r\nContent-Type: text/html\r\n\r\n<p>.</p>\r\n"
            + b"--inner--\r\n\r\n--=_part\r\nContent-Type: application/octet-stream\r\n"
            + b"Content-Transfer-Encoding: base64\r\n\r\n" + attachment + b"--=_part--\r\nAn epilogue.\r\n")


def _eight_bit():
    return (_header("eight-bit", "MIME-Version: 1.0", "Content-Type: text/plain; charset=iso-8859-1",
                    "Content-Transfer-Encoding: 8bit")
            + "Grüße aus Köln, Ärger mit Öl.\r\n".encode("latin-1")
            # Every byte there is, but NUL, CR and LF.
            + bytes(byte for byte in range(1, 256) if byte not in (10, 13)) + b"\r\n"
            + "UTF-8: привет, 世界 🙂\r\n".encode())


def _utf8_addresses():
    return ("From: Отправитель <отправитель@elsewhere.test>\r\n"
            "To: Grüße <grüße@example.test>\r\n"
            "Subject: Ünïcödé\r\n"
            "Date: Mon, 23 Nov 2026 05:00:00 +0000\r\n"
            "Message-ID: <utf8@elsewhere.test>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            "Ein Gruß.\r\n").encode()


def _lone_dots():
    return (_header("lone-dots")
            + b".\r\n..\r\n...\r\n.a\r\n..b\r\n . \r\n.\r\n\r\n.\r\nQUIT\r\n.\r\n. \r\n.\t\r\n.\r\n")


def _line(length):
    return _header(f"line-{length}") + b"x" * length + b"\r\n." + b"y" * (length - 1) + b"\r\nend\r\n"


def _empty_body():
    return _header("empty-body")


def _no_header():
    return b"This text has no header at all.\r\nThe second line.\r\n"


CORPUS = (
    Message("plain", _plain()),
    Message("multipart", _multipart()),
    Message("eight-bit", _eight_bit()),
    Message("lone-dots", _lone_dots()),
    Message("line-998", _line(998)),
    Message("line-5000", _line(5000)),
    Message("empty-body", _empty_body()),
    Message("no-header", _no_header()),
)

UTF8 = Message("utf8-addresses", _utf8_addresses(), utf8=True)

# Only BDAT can carry it (RFC 3030): DATA always ends a line.
NO_FINAL_LINE_END = Message("no-final-line-end", _header("no-final-line-end") + b"The last line is not ended")


@functools.lru_cache(maxsize=1)
def large() -> Message:
    """50 MB exactly."""
    head = _header("large", "MIME-Version: 1.0", "Content-Type: application/octet-stream",
                   "Content-Transfer-Encoding: base64")
    size = 50_000_000 - len(head) - 2
    body = base64.encodebytes(random.Random(50).randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")[:size]
    # The cut may have come within a line end.
    body = body.rstrip(b"\r\n").ljust(size, b"=")
    return Message("large", head + body + b"\r\n")
