"""What all client tests share."""

import pathlib
import tempfile

from mailstead.process import run_tool
from mailstead.stack import StackCase
from mailstead.trace import sha256, strip_blank_line, strip_submission_fields, strip_trace

from target import Target


class ClientCase(StackCase):
    """One target for the class; the mailboxes are empty before each test, and `self.folder` is for files."""

    @classmethod
    def setUpClass(cls):
        cls.target = Target.get()
        cls.stack = cls.target.stack
        cls.addClassCleanup(cls.target.close)

    def setUp(self):
        self.target.empty()
        folder = tempfile.TemporaryDirectory(prefix="mailstead-client-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, name, content, mode=0o600):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def run_client(self, argv, input=None, timeout=120, environment=None):
        """Runs a client that must succeed; gives its standard output."""
        done = run_tool(argv, input=input, timeout=timeout, environment=environment)
        self.assertEqual(0, done.returncode,
                         f"{argv[0]}: {done.stdout[-3000:].decode(errors='replace')}"
                         f"{done.stderr[-3000:].decode(errors='replace')}")
        return done.stdout

    # --- sending ---

    def assert_arrived(self, sent, route):
        """The mailboxes hold exactly these messages, in this order, byte for byte; they are emptied."""
        for utf8 in (False, True):
            expected = [message for message in sent if message.utf8 == utf8]
            got = [strip_trace(item) for item in self.target.take_all(utf8)] if expected or not utf8 else []
            self.assertEqual(len(expected), len(got), "number of messages")
            for message, traced in zip(expected, got):
                strip = strip_submission_fields if route.login else strip_blank_line
                self.assert_same(message.content, strip(traced.content, message.content), message.name)
                self.assertEqual(self.target.sender(route, utf8), traced.return_path.decode())
                self.assertEqual(self.target.recipient(utf8), traced.delivered_to.decode())
                self.assertEqual((), traced.original_to)
                self.assert_received(traced.received.decode(), route)

    def assert_received(self, received, route):
        """The protocol name says what was used (RFC 3848, RFC 6531)."""
        self.assertRegex(received, r"\bwith (UTF8)?(E?SMTP)(S?A?)\b")
        self.assertRegex(received, r"\bwith (UTF8SMTP|E?SMTP)" + ("S" if route.tls else "") +
                         ("A" if route.login else "") + r"\b")

    # --- fetching ---

    def place(self, messages):
        """Puts messages into the mailbox; gives the bytes the server holds, as the reference client sees them."""
        for message in messages:
            self.target.place(message)
        session = self.target.pop3()
        stored = session.fetch_all(delete=False)
        for message, raw in zip(messages, stored, strict=True):
            self.assert_same(message.content, self.content_of(raw, message), message.name)
        return stored

    def content_of(self, raw, message):
        """What was sent, of the bytes that a client fetched."""
        return strip_blank_line(strip_trace(raw).content, message.content)

    def assert_fetched(self, messages, got):
        """What a client fetched holds these messages, in this order."""
        self.assertEqual(len(messages), len(got), "number of messages")
        for message, raw in zip(messages, got):
            self.assert_same(message.content, self.content_of(raw, message), message.name)

    def assert_same(self, expected, got, name):
        if sha256(expected) != sha256(got):
            at = next((index for index, (one, other) in enumerate(zip(expected, got)) if one != other),
                      min(len(expected), len(got)))
            self.fail(f"{name}: {len(got)} bytes instead of {len(expected)}, different from byte {at}: "
                      f"{got[max(0, at - 60):at + 60]!r} instead of {expected[max(0, at - 60):at + 60]!r}")
