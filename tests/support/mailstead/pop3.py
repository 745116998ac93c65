"""A raw POP3 client that gives messages back byte for byte."""

import base64
import re

from .wire import Wire


class Refused(AssertionError):
    def __init__(self, command, line):
        super().__init__(f"{command}: {line}")
        self.line = line

    @property
    def response_code(self):
        """"IN-USE", "SYS/TEMP" ..., or "" without one."""
        match = re.match(r"-ERR \[([A-Za-z0-9/_-]+)\]", self.line)
        return match.group(1).upper() if match else ""


def dot_unstuff(wire_bytes: bytes) -> bytes:
    """What stands before the final line with a dot, which must be there; CRLF line ends are checked."""
    assert wire_bytes.endswith(b".\r\n"), wire_bytes[-40:]
    content = wire_bytes[:-3]
    return re.sub(rb"(\A|\r\n)\.", rb"\1", content)


class Pop3(Wire):
    """`tls`: None, "stls" or "implicit"."""

    def __init__(self, port, host="127.0.0.1", tls=None, context=None, server_name="localhost", timeout=30.0,
                 source=None, greet=True):
        super().__init__(host, port, timeout, source)
        try:
            if tls == "implicit":
                self.start_tls(context, server_name)
            if not greet:
                return
            self.greeting = self.line().decode()
            if not self.greeting.startswith("+OK"):
                raise Refused("greeting", self.greeting)
            if tls == "stls":
                self.ok("STLS")
                self.start_tls(context, server_name)
        except BaseException:
            self.close()
            raise

    def command(self, line) -> str:
        """The first line of the reply."""
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        reply = self.line().decode("utf-8", "backslashreplace")
        if not (reply.startswith("+OK") or reply.startswith("-ERR")):
            raise ValueError(f"not a POP3 reply: {reply!r}")
        return reply

    def ok(self, line) -> str:
        reply = self.command(line)
        if not reply.startswith("+OK"):
            raise Refused(line if not str(line).startswith("PASS") else "PASS ...", reply)
        return reply

    def rest(self) -> bytes:
        """The body of a multi-line reply, unstuffed."""
        # The body may be empty: then the line with the dot comes at once.
        first = self.line()
        if first == b".":
            return b""
        raw = first + b"\r\n" + self.until_dot_line()
        return dot_unstuff(raw)

    def until_dot_line(self):
        if self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
            return b".\r\n"
        while len(self.buffer) < 3:
            self._fill()
            if self.buffer.startswith(b".\r\n"):
                self.buffer = self.buffer[3:]
                return b".\r\n"
        return self.until(b"\r\n.\r\n")

    def lines(self, command):
        self.ok(command)
        return [item.decode() for item in self.rest().split(b"\r\n") if item]

    def login(self, user, password):
        self.ok(f"USER {user}")
        return self.ok(f"PASS {password}")

    def auth_plain(self, user, password):
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.ok(f"AUTH PLAIN {secret}")

    def capa(self):
        return self.lines("CAPA")

    def stat(self):
        """(count, bytes)"""
        words = self.ok("STAT").split()
        return int(words[1]), int(words[2])

    def list(self):
        return [tuple(map(int, line.split())) for line in self.lines("LIST")]

    def uidl(self):
        return {int(number): uid for number, uid in (line.split(" ", 1) for line in self.lines("UIDL"))}

    def retr(self, number) -> bytes:
        self.ok(f"RETR {number}")
        return self.rest()

    def top(self, number, lines) -> bytes:
        self.ok(f"TOP {number} {lines}")
        return self.rest()

    def dele(self, number):
        return self.ok(f"DELE {number}")

    def quit(self):
        reply = self.ok("QUIT")
        self.close()
        return reply

    def fetch_all(self, delete=True):
        """Every message, and deletes them unless told not to; ends the session."""
        count, _ = self.stat()
        messages = [self.retr(number) for number in range(1, count + 1)]
        if delete:
            for number in range(1, count + 1):
                self.dele(number)
        self.quit()
        return messages
