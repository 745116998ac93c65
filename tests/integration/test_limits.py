"""Every limit says 421, 450, 452 or 552 with its reason, one below it works, and the next session is served."""

import re
import unittest

from mailstead.pop3 import Pop3
from mailstead.pop3 import Refused as PopRefused
from mailstead.process import wait_until
from mailstead.smtp import Refused
from mailstead.stack import SharedStackCase, StackCase
from mailstead.trace import strip_trace

MAIL = b"Subject: limits\r\n\r\nHello\r\n"
MAX_MESSAGE_BYTES = 70_000


class ConnectionLimitsTest(StackCase):

    def setUp(self):
        self.stack = self.new_stack()
        self.stack.add_stored()

    def test_in_all(self):
        self.stack.add_smtpd(max_connections=3)
        self.stack.add_pop3d(max_connections=3)
        sessions = [self.stack.mx() for _ in range(3)]
        with self.assertRaises(Refused) as caught:
            self.stack.mx()
        self.assertEqual(421, caught.exception.reply.code)
        self.assertTrue(caught.exception.reply.enhanced.startswith("4."))
        sessions.pop().quit()
        wait_until(lambda: self.accepted(self.stack.mx, sessions), what="a place is free")
        pops = [self.stack.pop3(tls=None) for _ in range(3)]
        with self.assertRaises(PopRefused) as caught:
            self.stack.pop3(tls=None)
        self.assertEqual("SYS/TEMP", caught.exception.response_code, caught.exception.line)
        pops.pop().quit()
        wait_until(lambda: self.accepted(lambda: self.stack.pop3(tls=None), pops), what="a place is free")
        for session in [*sessions, *pops]:
            session.close()

    def accepted(self, connect, sessions):
        try:
            sessions.append(connect())
            return True
        except (Refused, PopRefused):
            return False

    def test_of_one_address(self):
        self.stack.add_smtpd(max_connections_per_address=2, trusted_networks="127.0.0.7")
        self.stack.add_pop3d(max_connections_per_address=2, trusted_networks="127.0.0.7")
        sessions = [self.stack.mx(source="127.0.0.5") for _ in range(2)]
        with self.assertRaises(Refused) as caught:
            self.stack.mx(source="127.0.0.5")
        self.assertEqual(421, caught.exception.reply.code)
        sessions.append(self.stack.mx(source="127.0.0.6"))
        pops = [self.stack.pop3(tls=None, source="127.0.0.5") for _ in range(2)]
        with self.assertRaises(PopRefused) as caught:
            self.stack.pop3(tls=None, source="127.0.0.5")
        self.assertEqual("SYS/TEMP", caught.exception.response_code, caught.exception.line)
        pops.append(self.stack.pop3(tls=None, source="127.0.0.6"))
        for session in [*sessions, *pops]:
            session.close()

    def test_trusted_networks(self):
        """Limits of an address are for strangers; those in all are for everybody."""
        self.stack.add_smtpd(max_connections_per_address=2, max_connections=5)
        self.stack.add_pop3d(max_connections_per_address=2, max_connections=5)
        for connect in (self.stack.mx, lambda: self.stack.pop3(tls=None)):
            sessions = [connect() for _ in range(5)]
            with self.assertRaises((Refused, PopRefused)):
                connect()
            for session in sessions:
                session.close()

    def test_who_has_left_does_not_count(self):
        """A client that sees our last word, or the end, may come back at once."""
        self.stack.add_smtpd(max_connections_per_address=1, trusted_networks="")
        self.stack.add_pop3d(max_connections_per_address=1, trusted_networks="")
        for _ in range(100):
            with self.stack.mx() as session:
                self.assertEqual(221, session.command("QUIT").code)
            with self.stack.pop3(tls=None) as session:
                self.assertTrue(session.command("QUIT").startswith("+OK"))

    def test_none(self):
        self.stack.add_smtpd(max_connections=0, max_connections_per_address=0)
        self.stack.add_pop3d(max_connections=0, max_connections_per_address=0)
        # More than the default for one address, so that it is 0 that lets them in.
        sessions = [self.stack.mx() for _ in range(150)]
        sessions += [self.stack.pop3(tls=None) for _ in range(150)]
        for session in sessions:
            session.close()


class SessionLimitsTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd(max_recipients=100, max_errors=4, max_message_bytes=MAX_MESSAGE_BYTES,
                        max_received_headers=10, max_messages_per_account_per_hour=3)
        stack.add_smtpd("default")
        stack.add_smtpd("few-commands", max_commands=50)
        stack.add_pop3d()
        cls.default, cls.few_commands = stack.servers[-3:-1]
        cls.users = stack.add_accounts(*[f"user{number}" for number in range(8)])

    def test_recipients(self):
        with self.stack.mx() as session:
            session.envelope("a@elsewhere.test", self.users[:5] * 20)
            reply = session.command(f"RCPT TO:<{self.users[5]}>")
            self.assertEqual((452, "4.5.3"), (reply.code, reply.enhanced), reply)
            # The hundred before it are good.
            self.assertEqual(250, session.data(MAIL).code)
        for user in self.users[:5]:
            self.assertEqual(1, len(self.stack.fetch_all(user)))
        self.assertEqual(0, len(self.stack.fetch_all(self.users[5])))

    def test_a_thousand_recipients(self):
        with self.stack.mx(self.default) as session:
            # The same mailbox a thousand times is one copy.
            session.envelope("a@elsewhere.test", [self.users[0]] * 1000)
            reply = session.command(f"RCPT TO:<{self.users[0]}>")
            self.assertEqual((452, "4.5.3"), (reply.code, reply.enhanced), reply)
            self.assertEqual(250, session.data(MAIL).code)
        self.assertEqual(1, len(self.stack.fetch_all(self.users[0])))

    def test_errors(self):
        with self.stack.mx() as session:
            session.send(b"NONSENSE\r\n" * 10)
            codes = [session.reply().code]
            while codes[-1] != 421:
                codes.append(session.reply().code)
            # The one that is too many gets its own answer and the last word.
            self.assertEqual([500] * 5 + [421], codes)
            self.assertTrue(session.at_end())

    def test_commands(self):
        with self.stack.mx(self.few_commands) as session:
            codes = []
            while 421 not in codes and len(codes) < 60:
                codes.append(session.command("NOOP").code)
            self.assertEqual({250, 421}, set(codes))
            self.assertIn(len(codes), (49, 50, 51))

    def test_2500_commands_in_one_packet(self):
        with self.stack.mx(self.default) as session:
            session.send(b"NOOP\r\n" * 2500)
            self.assertEqual({250}, {session.reply().code for _ in range(2500)})
            session.send(b"MAIL FROM:<a@elsewhere.test>\r\n" + b"RCPT TO:<%s>\r\n" % self.users[1].encode() * 600 +
                         b"DATA\r\n")
            self.assertEqual([250] * 601 + [354], [session.reply().code for _ in range(602)])
            session.send(MAIL + b".\r\nNOOP\r\n")
            self.assertEqual([250, 250], [session.reply().code for _ in range(2)])
        self.assertEqual(1, len(self.stack.fetch_all(self.users[1])))

    def test_announced_size(self):
        with self.stack.mx() as session:
            self.assertEqual(str(MAX_MESSAGE_BYTES), session.capabilities["SIZE"])
            for size, code in ((MAX_MESSAGE_BYTES, 250), (MAX_MESSAGE_BYTES + 1, 552), (10 ** 18, 552)):
                reply = session.command(f"MAIL FROM:<a@elsewhere.test> SIZE={size}")
                self.assertEqual(code, reply.code, reply)
                if code == 552:
                    self.assertEqual("5.3.4", reply.enhanced)
                session.expect(250, "RSET")

    def test_real_size(self):
        for by_bdat in (False, True):
            for extra, code in ((-1, 250), (0, 250), (1, 552), (5_000_000, 552)):
                with self.subTest(by_bdat=by_bdat, extra=extra):
                    content = b"Subject: size\r\n\r\n"
                    rest = MAX_MESSAGE_BYTES + extra - len(content)
                    line = b"s" * 76 + b"\r\n"
                    content += line * ((rest - 2) // len(line) - 1)
                    content += b"s" * (MAX_MESSAGE_BYTES + extra - len(content) - 2) + b"\r\n"
                    self.assertEqual(MAX_MESSAGE_BYTES + extra, len(content))
                    with self.stack.mx() as session:
                        session.envelope("a@elsewhere.test", self.users[2])
                        reply = session.bdat(content) if by_bdat else session.data(content)
                        self.assertEqual(code, reply.code, reply)
                        self.assertEqual(250, session.command("NOOP").code, "the session goes on")
                    got = [strip_trace(raw).content for raw in self.stack.fetch_all(self.users[2])]
                    self.assertEqual([content] if code == 250 else [], got)

    def test_loops(self):
        hop = b"Received: from a by b; Mon, 23 Nov 2026 05:00:00 +0000\r\n"
        with self.stack.mx() as session:
            for hops, code in ((9, 250), (11, 554)):
                session.envelope("a@elsewhere.test", self.users[3])
                reply = session.data(hop * hops + MAIL)
                self.assertEqual(code, reply.code, f"{hops} hops: {reply}")
            self.assertEqual("5.4.6", reply.enhanced)
            # Fields of the body do not count.
            session.envelope("a@elsewhere.test", self.users[3])
            self.assertEqual(250, session.data(MAIL + hop * 50).code)
        self.assertEqual(2, len(self.stack.fetch_all(self.users[3])))

    def test_message_rate_of_an_account(self):
        user, other = self.users[4:6]
        with self.stack.submission(user) as session:
            for _ in range(3):
                session.deliver(user, user, MAIL)
            reply = session.command(f"MAIL FROM:<{user}>")
            self.assertIn(reply.code, (450, 452), reply)
            self.assertTrue(reply.enhanced.startswith("4.7") or reply.enhanced.startswith("4.5"), reply)
        # A new session changes nothing; another account is not touched, and mail from outside neither.
        with self.stack.submission(user) as session:
            self.assertIn(session.command(f"MAIL FROM:<{user}>").code, (450, 452))
        with self.stack.submission(other) as session:
            session.deliver(other, user, MAIL)
        self.stack.send(user, MAIL)
        self.assertEqual(5, len(self.stack.fetch_all(user)))

    def test_long_lines(self):
        """RFC 5321 section 4.5.3.1: a command line has 512 octets, and more with extensions."""
        with self.stack.mx(self.default) as session:
            self.assertEqual(250, session.command("NOOP " + "x" * 500).code)
            self.assertEqual(500, session.command("NOOP " + "x" * 100_000).code)
            self.assertEqual(250, session.command("NOOP").code)
            # Local part 64 octets, domain 255.
            self.assertEqual(250, session.command(f"MAIL FROM:<{'l' * 64}@elsewhere.test>").code)
            session.expect(250, "RSET")
            reply = session.command(f"MAIL FROM:<a@{'d' * 300}.test>")
            self.assertEqual(5, reply.code // 100, reply)

    def test_pop3_long_line_and_many_errors(self):
        with Pop3(self.stack.pop3d.ports["pop3"]) as session:
            self.assertTrue(session.command("X" * 300).startswith("-ERR"))
            self.assertTrue(session.command("CAPA").startswith("+OK"))
            session.rest()
            errors = 0
            try:
                while errors < 1000:
                    if session.command("NONSENSE").startswith("-ERR"):
                        errors += 1
            except (EOFError, OSError):
                pass
            self.assertLess(errors, 1000, "a session of nothing but errors goes on for ever")

    def test_limits_extension_tells_them(self):
        """RFC 9422."""
        with self.stack.mx() as session:
            limits = dict(re.findall(r"([A-Z]+)=([0-9]+)", session.capabilities.get("LIMITS", "")))
            self.assertEqual("100", limits.get("RCPTMAX"))


if __name__ == "__main__":
    unittest.main()
