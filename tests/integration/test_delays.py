"""Nothing waits for a delayed acknowledgment. A client with Nagle's algorithm on (RFC 1122 section 4.2.3.4) that writes a
command in two pieces has the second one held back by its kernel until the first is acknowledged; a server that has nothing
to answer yet acknowledges after 40 ms, unless it says otherwise.
"""

import base64
import socket
import ssl
import statistics
import time
import unittest

from mailstead.stack import PASSWORD, SharedStackCase

ROUNDS = 40
# Half of what a delayed acknowledgment takes; of most rounds, as the machine may be busy.
LIMIT = 0.020


class Halves:
    """A client that sends each thing in two writes, and waits for a line of answer."""

    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        if context:
            self.start_tls(context)
        else:
            self.lines = self.socket.makefile("rb")
        self.took = []

    def start_tls(self, context):
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.lines = self.socket.makefile("rb")

    def ask(self, first, second):
        begin = time.monotonic()
        self.socket.sendall(first)
        self.socket.sendall(second)
        line = self.lines.readline()
        while line[3:4] == b"-":
            line = self.lines.readline()
        self.took.append(time.monotonic() - begin)
        return line

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
        self.assertLess(statistics.median(took), LIMIT, took)

    def test_small_chunks(self):
        client = self.connect(self.stack.smtpd.ports["mx"])
        client.ask(b"EHLO client.", b"test\r\n")
        client.ask(b"MAIL FROM:<a@elsewhere", b".test>\r\n")
        client.ask(b"RCPT TO:<", self.user.encode() + b">\r\n")
        client.took.clear()
        for number in range(ROUNDS):
            last = b" LAST" if number == ROUNDS - 1 else b""
            self.assertTrue(client.ask(b"BDAT 512%s\r\n" % last, b"x" * 510 + b"\r\n").startswith(b"250"))
        self.assert_no_delay(client.took)

    def test_a_message_in_small_pieces(self):
        client = self.connect(self.stack.smtpd.ports["mx"])
        client.ask(b"EHLO client.", b"test\r\n")
        client.took.clear()
        for _ in range(ROUNDS // 4):
            client.ask(b"MAIL FROM:<a@elsewhere", b".test>\r\n")
            client.ask(b"RCPT TO:<", self.user.encode() + b">\r\n")
            client.ask(b"DA", b"TA\r\n")
            self.assertTrue(client.ask(b"Subject: small\r\n\r\npiece", b"s\r\n.\r\n").startswith(b"250"))
        self.assert_no_delay(client.took)

    def test_a_login(self):
        client = self.connect(self.plain.ports["submission"])
        client.ask(b"EHLO client.", b"test\r\n")
        client.took.clear()
        for _ in range(ROUNDS // 4):
            client.ask(b"AUTH LO", b"GIN\r\n")
            client.ask(base64.b64encode(self.user.encode()), b"\r\n")
            self.assertTrue(client.ask(b"*", b"\r\n").startswith(b"501"))
        self.assert_no_delay(client.took)

    def test_starttls_and_what_is_under_it(self):
        took = []
        for _ in range(5):
            client = self.connect(self.stack.smtpd.ports["submission"])
            client.ask(b"EHLO client.", b"test\r\n")
            self.assertTrue(client.ask(b"START", b"TLS\r\n").startswith(b"220"))
            client.start_tls(self.stack.context)
            for _ in range(8):
                client.ask(b"NO", b"OP\r\n")
            took += client.took
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
