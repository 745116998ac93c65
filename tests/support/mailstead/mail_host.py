"""Another mail host, written for tests: it says at each stage what the test has for it, and keeps what it got."""

import base64
import re
import select
import socket
import ssl
import struct
import threading

EXTENSIONS = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE")
# So much of a message that comes by DATA is read before what is for "body" is said.
BODY_BEGINNING = 1 << 16

_DEFAULTS = {"greeting": "220 mx.far.test", "HELO": "250 mx.far.test", "STARTTLS": "220 go on", "MAIL": "250 2.1.0 ok",
             "RCPT": "250 2.1.5 ok", "BDAT": "250 2.0.0 go on", "dot": "250 2.0.0 taken", "RSET": "250 2.0.0 ok",
             "QUIT": "221 2.0.0 bye", "AUTH": None}


# What a function of a host gives when it has nothing of its own to say.
AS_USUAL = object()


class Gone(Exception):
    """The session is over."""


# What a host may have for a stage in the place of a reply: something that it does.

def close(session):
    raise Gone


def reset(session):
    """The connection ends with RST."""
    session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Gone


def silence(session):
    """Nothing more is said, until the other side has enough."""
    session.read_to_the_end()
    raise Gone


def hold(session):
    """Nothing more is said nor read, until the other side has enough."""
    poll = select.poll()
    poll.register(session.socket, select.POLLRDHUP)
    poll.poll()
    raise Gone


def endless(session):
    """A reply of lines that go on and on."""
    session.say_until_gone(b"250-and so on\r\n" * 100)


def drip(session):
    """A reply that never ends, an octet at a time."""
    session.socket.settimeout(0.05)
    for octet in b"250-" + b"x" * 10_000:
        session.send(bytes([octet]))
        session.was_quiet()


class Session:
    """One connection to a host, from its side. `address` is where it came to, `line` the command that is being answered."""

    def __init__(self, host, connection):
        self.host = host
        self.address = connection.getsockname()[0]
        self.socket = connection
        self.reader = connection.makefile("rb")
        self.tls = False
        self.user = None
        self.line = ""
        self.lines = []
        self.sender = None
        self.recipients = []

    # --- wire ---

    def send(self, data):
        self.socket.sendall(data)

    def say(self, reply):
        self.send((reply if isinstance(reply, bytes) else reply.encode()) + b"\r\n")
        return reply

    def read_to_the_end(self):
        while self.socket.recv(1 << 16):
            pass

    def say_until_gone(self, data):
        while True:
            self.send(data)

    def was_quiet(self):
        """Waits for the time of the socket; Gone when the other side has closed."""
        try:
            if not self.socket.recv(1 << 16):
                raise Gone
        except TimeoutError:
            pass

    # --- dialog ---

    def answer(self, stage, default=None):
        """What the host has for this stage; gives the reply as text."""
        default = _DEFAULTS.get(stage) if default is None else default
        with self.host.lock:
            reply = self.host.replies.get(stage, default)
        if callable(reply):
            reply = reply(self)
        if reply is AS_USUAL:
            reply = default
        if reply is None:
            raise Gone
        self.say(reply)
        return reply.decode("latin-1") if isinstance(reply, bytes) else reply

    def interject(self, stage):
        """Says or does what the host has for a stage at which nothing is asked; gives whether it has anything."""
        with self.host.lock:
            instead = self.host.replies.get(stage)
        if instead is None:
            return False
        self.say(instead(self) if callable(instead) else instead)
        return True

    def run(self):
        try:
            self.answer("greeting")
            # STARTTLS brings another reader.
            while raw := self.reader.readline():
                self.line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
                self.lines.append(self.line)
                verb = self.line.split(" ")[0].upper()
                getattr(self, f"_{verb.lower()}", self._unknown)()
        except (Gone, OSError, ssl.SSLError, ValueError):
            pass
        finally:
            self.reader.close()
            self.socket.close()

    def _unknown(self):
        self.say("502 5.5.2 what?")

    def _ehlo(self):
        extensions = self.host.tls_extensions if self.tls else self.host.extensions
        lines = ["mx.far.test", *extensions]
        self.answer("EHLO", "\r\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines))

    def _helo(self):
        self.answer("HELO")

    def _starttls(self):
        if not self.answer("STARTTLS").startswith("2"):
            return
        self.interject("handshake")
        self.socket = self.host.tls.wrap_socket(self.socket, server_side=True)
        self.reader = self.socket.makefile("rb")
        self.tls = True

    def _auth(self):
        with self.host.lock:
            instead = "AUTH" in self.host.replies
        if instead:
            self.answer("AUTH")
            return
        words = self.line.split(" ")
        if words[1] == "PLAIN":
            if len(words) < 3:
                self.say("334 ")
                words.append(self.reader.readline().decode().strip())
            _, user, password = base64.b64decode(words[2]).decode().split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.reader.readline()).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.reader.readline()).decode()
        if self.host.users.get(user) != password:
            self.say("535 5.7.8 no")
            return
        self.user = user
        self.say("235 2.7.0 welcome")

    def _mail(self):
        self.sender, self.recipients = _path(self.line), []
        self.host.count("envelopes")
        if not self.answer("MAIL").startswith("2"):
            self.sender = None

    def _rcpt(self):
        default = _DEFAULTS["RCPT"] if self.sender is not None else "503 5.5.1 MAIL first"
        if self.answer("RCPT", default).startswith("2"):
            self.recipients.append(_path(self.line))

    def _data(self):
        default = "354 go on" if self.recipients else "554 5.5.1 no valid recipients"
        if not self.answer("DATA", default).startswith("3"):
            return
        content = []
        size = 0
        for line in self.reader:
            if line == b".\r\n":
                self._taken(b"".join(content))
                return
            content.append(line[1:] if line.startswith(b".") else line)
            size += len(line)
            if size >= BODY_BEGINNING and self.interject("body"):
                self.read_to_the_end()
        raise Gone

    def _bdat(self):
        words = self.line.split(" ")
        chunk = self.reader.read(int(words[1]))
        self.chunks = (self.chunks if hasattr(self, "chunks") else b"") + chunk
        if words[2:] == ["LAST"]:
            content, self.chunks = self.chunks, b""
            self._taken(content)
        elif not self.answer("BDAT").startswith("2"):
            self.chunks = b""

    def _taken(self, content):
        self.host.keep("ended", content)
        # Kept before it is said: who hears the reply finds the message.
        message = {"from": self.sender, "to": self.recipients, "content": content, "tls": self.tls, "user": self.user,
                   "address": self.address, "lines": list(self.lines)}
        self.host.keep("messages", message)
        kept = False
        try:
            kept = self.answer("dot").startswith("2")
        finally:
            if not kept:
                self.host.drop("messages", message)
        self.interject("idle")

    def _rset(self):
        self.recipients, self.chunks = [], b""
        self.answer("RSET")

    def _quit(self):
        self.answer("QUIT")
        raise Gone


def _path(line):
    return re.search(r"<(.*?)>", line)[1]


class Host:
    """`replies` has what is said in the place of "yes" at a stage: greeting, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA,
    BDAT (chunks but the last), dot (the end of the message, by either way), RSET, QUIT. A function gets the Session and
    gives the reply, AS_USUAL, or raises Gone when it has done something else; None: the connection is closed. So does what is there
    for handshake (after STARTTLS), body (within a message that comes by DATA) and idle (after one was taken), where
    nothing is said otherwise. May be changed while it runs.

    `tls` is a server's SSLContext; with it STARTTLS is offered. `users`: names and passwords for AUTH PLAIN and LOGIN.
    """

    def __init__(self, case, *, address="127.0.0.1", port=0, extensions=EXTENSIONS, tls_extensions=None, tls=None, users=None,
                 receive_buffer=None, **replies):
        self.lock = threading.Lock()
        self.replies = replies
        self.tls = tls
        self.users = users or {}
        if self.users:
            extensions = (*extensions, "AUTH PLAIN LOGIN")
        self.tls_extensions = extensions if tls_extensions is None else tls_extensions
        self.extensions = (*extensions, "STARTTLS") if tls else extensions
        # Those that were taken; the contents of those whose end came, whatever was said to it.
        self.messages = []
        self.ended = []
        # Connections, and MAIL commands.
        self.sessions = []
        self.envelopes = 0
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.bind((address, port))
        self._socket.listen(64)
        self.port = self._socket.getsockname()[1]
        case.addCleanup(self.stop)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, connection)
            self.keep("sessions", session)
            threading.Thread(target=session.run, daemon=True).start()

    def keep(self, name, item):
        with self.lock:
            getattr(self, name).append(item)

    def drop(self, name, item):
        with self.lock:
            getattr(self, name).remove(item)

    def count(self, name):
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)

    def become(self, **replies):
        """From now on it says this."""
        with self.lock:
            self.replies = replies

    def lines(self):
        """All commands of all sessions."""
        with self.lock:
            return [line for session in self.sessions for line in session.lines]

    def stop(self):
        # Wakes the thread that accepts.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
