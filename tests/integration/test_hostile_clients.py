"""Slow, rude and vanishing clients. After each of them everybody else is served as before."""

import os
import ssl
import threading
import time
import unittest

from mailstead.pop3 import Pop3
from mailstead.process import wait_until
from mailstead.smtp import Smtp, dot_stuff
from mailstead.stack import SharedStackCase
from mailstead.trace import strip_trace
from mailstead.wire import Wire

MAIL = b"Subject: hostile\r\n\r\nHello\r\n"
MEBIBYTE = 1 << 20


class HostileCase(SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd(allow_plaintext_auth=True, max_connections_per_address=0)
        stack.add_pop3d(allow_plaintext_auth=True, max_connections_per_address=0)
        cls.user, cls.other = stack.add_accounts("user", "other")

    def setUp(self):
        self.servers = [self.stack.smtpd, self.stack.pop3d]
        self.descriptors = [server.process.descriptor_count() for server in self.servers]
        self.smtp_port = self.stack.smtpd.ports["mx"]
        self.pop3_port = self.stack.pop3d.ports["pop3"]

    def tearDown(self):
        """Nobody died, nothing is kept, and the next client is served."""
        for server, before in zip(self.servers, self.descriptors):
            self.assertTrue(server.process.running())
            wait_until(lambda: server.process.descriptor_count() <= before + 4, 15,
                       f"{server.name} closes descriptors ({before} before)", interval=0.05)
        self.stack.send(self.other, MAIL)
        self.assertEqual(1, len(self.stack.fetch_all(self.other)))

    def mailbox_is_empty(self):
        session = self.stack.pop3(self.user)
        count, _ = session.stat()
        session.quit()
        return count == 0


class SlowClientsTest(HostileCase):

    def drip(self, wire, data, pause=0.05):
        for index in range(len(data)):
            wire.send(data[index:index + 1])
            time.sleep(pause)

    def test_a_byte_every_fifty_milliseconds(self):
        """A whole session in each protocol, many at once; meanwhile a fast client is not slowed."""
        errors = []

        def slow_smtp(number):
            try:
                session = Smtp(self.smtp_port, greet=False)
                session.reply()
                for line in (b"EHLO c\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<%s>\r\n" % self.user.encode()):
                    self.drip(session, line)
                    assert session.reply().code == 250
                self.drip(session, b"DATA\r\n")
                assert session.reply().code == 354
                self.drip(session, dot_stuff(b"Subject: %d\r\n\r\n.\r\n" % number))
                assert session.reply().code == 250
                self.drip(session, b"QUIT\r\n")
                assert session.reply().code == 221
                session.close()
            except BaseException as error:  # pylint: disable=broad-except
                errors.append(error)

        def slow_pop3():
            try:
                session = Pop3(self.pop3_port, greet=False)
                session.line()
                for line in (b"CAPA\r\n",):
                    self.drip(session, line)
                    assert session.line().startswith(b"+OK")
                    session.rest()
                for line in (b"USER %s\r\n" % self.other.encode(), b"PASS correct horse battery\r\n", b"STAT\r\n",
                             b"QUIT\r\n"):
                    self.drip(session, line)
                    assert session.line().startswith(b"+OK")
                session.close()
            except BaseException as error:  # pylint: disable=broad-except
                errors.append(error)

        threads = [threading.Thread(target=slow_smtp, args=(number,)) for number in range(20)]
        threads.append(threading.Thread(target=slow_pop3))
        for thread in threads:
            thread.start()
        started = time.monotonic()
        self.stack.send(self.user, MAIL)
        self.assertLess(time.monotonic() - started, 2)
        for thread in threads:
            thread.join(60)
        self.assertEqual([], errors)
        self.assertEqual(21, len(self.stack.fetch_all(self.user)))

    def test_a_client_that_reads_slowly(self):
        """A message far larger than the socket's buffers, to a client that does not read: pop3d waits, and holds
        little of it."""
        content = b"Subject: slow reader\r\n\r\n" + (b"z" * 76 + b"\r\n") * (20 * MEBIBYTE // 78)
        self.stack.send(self.user, content)
        process = self.stack.pop3d.process
        process.reset_peak()
        before = process.resident_bytes()
        session = Pop3(self.pop3_port, timeout=60)
        session.login(self.user, "correct horse battery")
        session.ok("RETR 1")
        # While it does not read, others are served.
        for _ in range(20):
            self.stack.pop3(self.other).quit()
        self.assertEqual(content, strip_trace(session.rest()).content)
        session.dele(1)
        session.quit()
        grown = process.peak_resident_bytes() - before
        print(f"pop3d grew by {grown // 1024} KiB while it sent 20 MiB to a slow reader")
        self.assertLess(grown, 6 * MEBIBYTE)


class RudeClientsTest(HostileCase):

    def ports(self):
        return {**{f"smtp {name}": port for name, port in self.stack.smtpd.ports.items() if name != "admin"},
                **{name: port for name, port in self.stack.pop3d.ports.items() if name != "admin"}}

    def pour(self, port, data, wait_for_greeting=True):
        """Sends as much of `data` as the server takes; it must close in the end or answer within time."""
        with Wire("127.0.0.1", port, timeout=20) as wire:
            try:
                if wait_for_greeting:
                    wire.line()
                wire.send(data)
                wire.half_close()
            except (OSError, EOFError, TimeoutError):
                pass
            self.assertTrue(wire.at_end(20), f"port {port} does not close")

    def test_garbage(self):
        for name, port in self.ports().items():
            with self.subTest(name):
                tls = name.endswith(("submissions", "pop3s"))
                for data in (os.urandom(100_000), b"\0" * 100_000, b"\r\n" * 10_000, b"\xff\xfe\xfd\r\n" * 1000):
                    self.pour(port, data, wait_for_greeting=not tls)

    def test_an_endless_line(self):
        for server, port in ((self.stack.smtpd, self.smtp_port), (self.stack.pop3d, self.pop3_port)):
            with self.subTest(server.name):
                server.process.reset_peak()
                before = server.process.resident_bytes()
                self.pour(port, b"A" * (32 * MEBIBYTE))
                self.assertLess(server.process.peak_resident_bytes() - before, 4 * MEBIBYTE)

    def test_tls_on_a_plain_port(self):
        for port in (self.smtp_port, self.pop3_port):
            with self.assertRaises((ssl.SSLError, OSError)):
                wire = Wire("127.0.0.1", port, timeout=20)
                try:
                    self.stack.context.wrap_socket(wire.socket, server_hostname="localhost")
                finally:
                    wire.close()

    def test_plain_text_on_a_tls_port(self):
        for port in (self.stack.smtpd.ports["submissions"], self.stack.pop3d.ports["pop3s"]):
            self.pour(port, b"EHLO client.test\r\nQUIT\r\n", wait_for_greeting=False)

    def test_http(self):
        """A browser can be made to post a form here: no command after an HTTP request is obeyed."""
        body = (b"EHLO client.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<" + self.user.encode() +
                b">\r\nDATA\r\n" + MAIL + b".\r\nQUIT\r\n")
        request = (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
        for wait in (True, False):
            self.pour(self.smtp_port, request, wait_for_greeting=wait)
        self.pour(self.pop3_port, request)
        self.assertTrue(self.mailbox_is_empty())

    def test_a_client_that_talks_before_the_greeting_is_refused(self):
        patient = self.stack.add_smtpd("patient-smtpd", greeting_delay="300ms")
        self.addCleanup(patient.terminate)
        with Wire("127.0.0.1", patient.ports["mx"], timeout=20) as wire:
            wire.send(b"EHLO client.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<" + self.user.encode() +
                      b">\r\nDATA\r\n")
            first = wire.line()
            self.assertTrue(first.startswith(b"554 "), first)
            self.assertTrue(wire.at_end())

    def test_half_close_still_gets_its_answers(self):
        with Smtp(self.smtp_port) as session:
            session.send(b"MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<" + self.other.encode() + b">\r\nDATA\r\n")
            self.assertEqual([250, 250, 354], [session.reply().code for _ in range(3)])
            session.send(dot_stuff(MAIL) + b"QUIT\r\n")
            session.half_close()
            self.assertEqual([250, 221], [session.reply().code for _ in range(2)])
            self.assertTrue(session.at_end())
        self.assertEqual(1, len(self.stack.fetch_all(self.other)))
        with Pop3(self.pop3_port) as session:
            session.send(b"USER " + self.other.encode() + b"\r\nPASS correct horse battery\r\nSTAT\r\nQUIT\r\n")
            session.half_close()
            self.assertEqual([b"+OK"] * 4, [session.line()[:3] for _ in range(4)])
            self.assertTrue(session.at_end())


class VanishingClientsTest(HostileCase):

    def vanish(self, session, how):
        session.reset() if how == "reset" else session.close()

    def test_in_the_middle_of_data(self):
        for how in ("reset", "close"):
            for ending in (b"", b"\r\n", b"\r\n.", b"\r\n.\r"):
                with self.subTest(how=how, ending=ending):
                    session = Smtp(self.smtp_port)
                    session.envelope("a@elsewhere.test", self.user)
                    session.expect(354, "DATA")
                    session.send(MAIL + b"x" * 100_000 + ending)
                    self.vanish(session, how)
        wait_until(lambda: self.stack.smtpd.process.descriptor_count() <= self.descriptors[0] + 4, 15, "smtpd notices")
        self.assertTrue(self.mailbox_is_empty())

    def test_in_the_middle_of_bdat(self):
        for how in ("reset", "close"):
            for sent in (b"BDAT 1000 LAST\r\n" + b"x" * 999, b"BDAT 1000\r\n" + b"x" * 1000,
                         b"BDAT 500000\r\n" + b"x" * 400_000, b"BDAT 0\r\n"):
                with self.subTest(how=how, sent=sent[:20]):
                    session = Smtp(self.smtp_port)
                    session.envelope("a@elsewhere.test", self.user)
                    session.send(sent)
                    self.vanish(session, how)
        wait_until(lambda: self.stack.smtpd.process.descriptor_count() <= self.descriptors[0] + 4, 15, "smtpd notices")
        self.assertTrue(self.mailbox_is_empty())

    def test_in_the_middle_of_retr(self):
        content = b"Subject: vanish\r\n\r\n" + (b"v" * 76 + b"\r\n") * 100_000
        self.stack.send(self.user, content)
        for how in ("reset", "close"):
            with self.subTest(how):
                session = wait_until(self.try_login, 10, "the lock is released", interval=0.05)
                session.ok("RETR 1")
                session.line()
                self.vanish(session, how)
        session = wait_until(self.try_login, 10, "the lock is released", interval=0.05)
        self.assertEqual(content, strip_trace(session.retr(1)).content)
        session.dele(1)
        session.quit()

    def try_login(self):
        session = Pop3(self.pop3_port)
        session.ok(f"USER {self.user}")
        if session.command("PASS correct horse battery").startswith("+OK"):
            return session
        session.close()
        return None

    def test_in_the_middle_of_a_handshake(self):
        for port, command in ((self.smtp_port, b"EHLO c\r\nSTARTTLS\r\n"), (self.pop3_port, b"STLS\r\n")):
            wire = Wire("127.0.0.1", port)
            wire.line()
            wire.send(command)
            wire.until(b"220 " if port == self.smtp_port else b"+OK")
            wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
            wire.reset()
        for port in (self.stack.smtpd.ports["submissions"], self.stack.pop3d.ports["pop3s"]):
            wire = Wire("127.0.0.1", port)
            wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
            wire.reset()


class PatienceTest(SharedStackCase):
    """Time-outs end a session that says nothing, with a word."""

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd(command_timeout="1s", data_timeout="1s")
        stack.add_pop3d(idle_timeout="1s", allow_plaintext_auth=True)
        [cls.user] = stack.add_accounts("user")

    def test_smtp_between_commands(self):
        with self.stack.mx() as session:
            self.assertEqual(421, session.reply().code)
            self.assertTrue(session.at_end())

    def test_smtp_within_data(self):
        with self.stack.mx() as session:
            session.envelope("a@elsewhere.test", self.user)
            session.expect(354, "DATA")
            session.send(b"Subject: never ends\r\n")
            self.assertEqual(421, session.reply().code)
            self.assertTrue(session.at_end())

    def test_pop3_deletes_nothing(self):
        self.stack.send(self.user, MAIL)
        session = self.stack.pop3(self.user)
        session.dele(1)
        self.assertTrue(session.at_end())
        self.assertEqual(1, len(self.stack.fetch_all(self.user)))


if __name__ == "__main__":
    unittest.main()
