"""Nothing waits for a delayed acknowledgment. A client with Nagle's algorithm on (RFC 1122 section 4.2.3.4) that writes a
command in two pieces has the second one held back by its kernel until the first is acknowledged; a server that has nothing
to answer yet acknowledges after 40 ms, unless it says otherwise.
"""

import base64
import collections
import socket
import ssl
import statistics
import time
import unittest

from mailstead.stack import PASSWORD, SharedStackCase

ROUNDS = 40
# Half of what a delayed acknowledgment takes; of most rounds of each kind, as the machine may be busy.
LIMIT = 0.020
# Of all chunks of a message, in most of the tries: three of them that wait for an acknowledgment are more.
CHUNKS_LIMIT = 0.100
TRIES = 7


class Halves:
    """A client that sends each thing in two writes, and waits for a line of answer. `took`: the times, by kind of thing."""

    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        if context:
            self.start_tls(context)
        else:
            self.lines = self.socket.makefile("rb")
        self.took = collections.defaultdict(list)

    def start_tls(self, context):
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.lines = self.socket.makefile("rb")

    def ask(self, first, second, kind=""):
        begin = time.monotonic()
        self.socket.sendall(first)
        self.socket.sendall(second)
        line = self.lines.readline()
        while line[3:4] == b"-":
            line = self.lines.readline()
        self.took[kind].append(time.monotonic() - begin)
        return line

    def add_to(self, took):
        for kind, times in self.took.items():
            took[kind] += times

    def close(self):
        self.lines.close()
        self.socket.close()


class DelaysTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        super().build(stack)
        stack.add_smtpd("plain", allow_plaintext_auth=True)
        cls.plain = stack.servers[-1]
        [cls.user] = stack.add_accounts("user")

    def connect(self, port, context=None):
        client = Halves(port, context)
        self.addCleanup(client.close)
        self.assertIn(client.lines.readline()[:3], (b"220", b"+OK"))
        return client

    def assert_no_delay(self, took):
        # Each kind for itself: one that always waits is not hidden among others.
        for kind, times in took.items():
            self.assertLess(statistics.median(times), LIMIT, (kind, times))

    def chunks(self, cut):
        """The seconds that 40 chunks of 512 octets took, each command and its octets in two writes or in one."""
        client = self.connect(self.stack.smtpd.ports["mx"])
        client.ask(b"EHLO client.", b"test\r\n")
        client.ask(b"MAIL FROM:<a@elsewhere", b".test>\r\n")
        client.ask(b"RCPT TO:<", self.user.encode() + b">\r\n")
        client.took.clear()
        for number in range(ROUNDS):
            command = b"BDAT 512%s\r\n" % (b" LAST" if number == ROUNDS - 1 else b"")
            octets = b"x" * 510 + b"\r\n"
            halves = (command, octets) if cut else (command + octets, b"")
            self.assertTrue(client.ask(*halves).startswith(b"250"))
        client.close()
        return sum(client.took[""])

    def test_small_chunks(self):
        cut, whole = [], []
        for _ in range(TRIES):
            cut.append(self.chunks(cut=True))
            whole.append(self.chunks(cut=False))
        # What a machine needs for as many answers has nothing to do with acknowledgments.
        limit = max(CHUNKS_LIMIT, 3 * statistics.median(whole))
        self.assertLess(statistics.median(cut), limit, (cut, whole))

    def test_a_message_in_small_pieces(self):
        client = self.connect(self.stack.smtpd.ports["mx"])
        client.ask(b"EHLO client.", b"test\r\n")
        client.took.clear()
        for _ in range(ROUNDS // 4):
            client.ask(b"MAIL FROM:<a@elsewhere", b".test>\r\n", "MAIL")
            client.ask(b"RCPT TO:<", self.user.encode() + b">\r\n", "RCPT")
            client.ask(b"DA", b"TA\r\n", "DATA")
            self.assertTrue(client.ask(b"Subject: small\r\n\r\npiece", b"s\r\n.\r\n", "message").startswith(b"250"))
        self.assert_no_delay(client.took)

    def test_a_login(self):
        client = self.connect(self.plain.ports["submission"])
        client.ask(b"EHLO client.", b"test\r\n")
        client.took.clear()
        user = base64.b64encode(self.user.encode())
        for _ in range(ROUNDS // 4):
            client.ask(b"AUTH LO", b"GIN\r\n", "AUTH")
            client.ask(user[:5], user[5:] + b"\r\n", "continuation")
            self.assertTrue(client.ask(b"*", b"\r\n", "cancel").startswith(b"501"))
        self.assert_no_delay(client.took)

    def test_starttls_and_what_is_under_it(self):
        took = collections.defaultdict(list)
        for _ in range(5):
            client = self.connect(self.stack.smtpd.ports["submission"])
            client.ask(b"EHLO client.", b"test\r\n", "EHLO")
            self.assertTrue(client.ask(b"START", b"TLS\r\n", "STARTTLS").startswith(b"220"))
            client.start_tls(self.stack.context)
            for _ in range(8):
                client.ask(b"NO", b"OP\r\n", "NOOP under TLS")
            client.add_to(took)
        self.assert_no_delay(took)

    def test_pop3(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                port = self.stack.pop3d.ports["pop3s" if tls else "pop3"]
                client = self.connect(port, self.stack.context if tls else None)
                for _ in range(ROUNDS):
                    # Before the login a CAPA would have many lines.
                    client.ask(b"LA", b"NG x\r\n")
                self.assert_no_delay(client.took)

    def test_a_pop3_login(self):
        took = collections.defaultdict(list)
        user = base64.b64encode(self.user.encode())
        for _ in range(5):
            client = self.connect(self.stack.pop3d.ports["pop3s"], self.stack.context)
            client.ask(b"AUTH LO", b"GIN\r\n", "AUTH")
            client.ask(user[:5], user[5:] + b"\r\n", "continuation")
            self.assertTrue(client.ask(base64.b64encode(PASSWORD.encode()), b"\r\n", "login").startswith(b"+OK"))
            self.assertTrue(client.ask(b"QU", b"IT\r\n", "QUIT").startswith(b"+OK"))
            client.add_to(took)
        # A login takes the time of a password hash.
        del took["login"]
        self.assert_no_delay(took)

    def test_pop3_after_the_login(self):
        client = self.connect(self.stack.pop3d.ports["pop3s"], self.stack.context)
        client.ask(b"USER ", self.user.encode() + b"\r\n")
        self.assertTrue(client.ask(b"PASS ", PASSWORD.encode() + b"\r\n").startswith(b"+OK"))
        client.took.clear()
        for _ in range(ROUNDS // 2):
            client.ask(b"ST", b"AT\r\n", "STAT")
            client.ask(b"RS", b"ET\r\n", "RSET")
        self.assertTrue(client.ask(b"QU", b"IT\r\n", "QUIT").startswith(b"+OK"))
        self.assert_no_delay(client.took)

    def test_stls(self):
        took = collections.defaultdict(list)
        for _ in range(5):
            client = self.connect(self.stack.pop3d.ports["pop3"])
            self.assertTrue(client.ask(b"ST", b"LS\r\n", "STLS").startswith(b"+OK"))
            client.start_tls(self.stack.context)
            for _ in range(8):
                client.ask(b"LA", b"NG x\r\n", "LANG under TLS")
            client.add_to(took)
        self.assert_no_delay(took)


class NamesTest(SharedStackCase):
    """Who trusts data/tls/tls.crt can check the name of this host as its own programs say it."""

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_pop3d(tls_cert="", tls_key="", tls_self_signed_dir=stack.folder / "tls",
                        pop3s_listen="127.0.0.1:0,[::1]:0")

    def test_a_library_that_checks_names(self):
        context = ssl.create_default_context(cafile=self.stack.folder / "tls" / "tls.crt")
        self.assertTrue(context.check_hostname)
        ports = {got["address"]: int(got["port"])
                 for got in self.stack.pop3d.process.events(event="listening", listener="pop3s")}
        for host, name in (("127.0.0.1", "localhost"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1"),
                           ("127.0.0.1", self.stack.hostname)):
            with socket.create_connection((host, ports[host]), timeout=30) as plain:
                with context.wrap_socket(plain, server_hostname=name) as connection:
                    self.assertTrue(connection.recv(100).startswith(b"+OK"))
        with socket.create_connection(("::1", ports["::1"]), timeout=30) as plain:
            with self.assertRaises(ssl.SSLCertVerificationError):
                context.wrap_socket(plain, server_hostname="other.example.test")


if __name__ == "__main__":
    unittest.main()
