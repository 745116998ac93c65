"""A raw SMTP client: what goes over the wire is what the test says."""

import base64
import dataclasses
import re

from .wire import Wire


@dataclasses.dataclass(frozen=True)
class Reply:
    code: int
    lines: tuple

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def enhanced(self):
        """"5.7.1", or "" without one."""
        match = re.match(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)", self.lines[-1])
        return match.group(1) if match else ""

    def __str__(self):
        return f"{self.code} {self.text}"


class Refused(AssertionError):
    """A reply that is not the one the test needs."""

    def __init__(self, command, reply):
        super().__init__(f"{command}: {reply}")
        self.reply = reply


def dot_stuff(content: bytes) -> bytes:
    """RFC 5321 section 4.5.2, and the end of the data."""
    stuffed = re.sub(rb"(\A|\r\n)\.", rb"\1..", content)
    return stuffed + (b".\r\n" if not stuffed or stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


class Smtp(Wire):
    """`tls`: None, "starttls" or "implicit"; `context` is an SSLContext."""

    def __init__(self, port, host="127.0.0.1", tls=None, context=None, server_name="localhost", hello="client.test",
                 timeout=30.0, source=None, greet=True):
        super().__init__(host, port, timeout, source)
        self.capabilities = {}
        self.server_name = server_name
        try:
            if tls == "implicit":
                self.start_tls(context, server_name)
            if not greet:
                return
            self.greeting = self.reply()
            if self.greeting.code != 220:
                raise Refused("greeting", self.greeting)
            self.ehlo(hello)
            if tls == "starttls":
                self.expect(220, "STARTTLS")
                self.start_tls(context, server_name)
                self.ehlo(hello)
        except BaseException:
            self.close()
            raise

    def reply(self) -> Reply:
        lines = []
        while True:
            line = self.line().decode("utf-8", "backslashreplace")
            if not re.match(r"[2-5][0-9][0-9](?:[ -]|$)", line):
                raise ValueError(f"not an SMTP reply: {line!r}")
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), tuple(lines))

    def command(self, line) -> Reply:
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()

    def expect(self, code, line) -> Reply:
        reply = self.command(line)
        if reply.code != code:
            raise Refused(line, reply)
        return reply

    def ehlo(self, name="client.test"):
        reply = self.expect(250, f"EHLO {name}")
        self.capabilities = {}
        for line in reply.lines[1:]:
            keyword, _, value = line.partition(" ")
            self.capabilities[keyword.upper()] = value
        return self.capabilities

    def login(self, user, password) -> Reply:
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.command(f"AUTH PLAIN {secret}")

    def envelope(self, sender, recipients, options=""):
        """MAIL and RCPTs, all of which must be taken."""
        self.expect(250, f"MAIL FROM:<{sender}>{' ' if options else ''}{options}")
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            self.expect(250, f"RCPT TO:<{recipient}>")

    def data(self, content: bytes) -> Reply:
        self.expect(354, "DATA")
        self.send(dot_stuff(content))
        return self.reply()

    def bdat(self, content: bytes, chunk_bytes=None) -> Reply:
        """All of the content in chunks; the reply to the last one, or the first that refuses."""
        chunk_bytes = chunk_bytes or max(1, len(content))
        at = 0
        while True:
            chunk = content[at:at + chunk_bytes]
            at += len(chunk)
            last = at >= len(content)
            self.send(f"BDAT {len(chunk)}{' LAST' if last else ''}\r\n".encode() + chunk)
            reply = self.reply()
            if last or reply.code != 250:
                return reply

    def deliver(self, sender, recipients, content: bytes, options="", by_bdat=False) -> Reply:
        """A whole transaction; raises Refused unless it ends with 250."""
        self.envelope(sender, recipients, options)
        reply = self.bdat(content) if by_bdat else self.data(content)
        if reply.code != 250:
            raise Refused("content", reply)
        return reply

    def quit(self):
        reply = self.command("QUIT")
        self.close()
        return reply
