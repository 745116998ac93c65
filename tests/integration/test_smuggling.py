"""Only CR LF . CR LF ends DATA: no form of line end smuggles a second message in."""

import unittest

from mailstead.smtp import Smtp
from mailstead.stack import SharedStackCase
from mailstead.trace import strip_trace

FALSE_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r.\n", b"\n.\r", b"\n\n.\r\n",
              b"\r\n.\r\r\n", b"\r\n.\n\r\n", b"\n\r.\r\n", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n"]


class SmugglingTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd("smtpd-refuse")
        stack.add_smtpd("smtpd-normalize", bare_line_ends="normalize")
        stack.add_pop3d()
        cls.user, cls.victim = stack.add_accounts("user", "victim")
        cls.refuse, cls.normalize = [server for server in stack.servers if server.program == "smtpd"]

    def smuggle(self, server, false_end):
        """Sends one message with a false end and a second transaction behind it; gives the replies to it all."""
        with Smtp(server.ports["mx"]) as session:
            session.envelope("a@elsewhere.test", self.user)
            session.expect(354, "DATA")
            session.send(b"Subject: outer\r\n\r\nbefore" + false_end +
                         b"MAIL FROM:<admin@example.test>\r\nRCPT TO:<" + self.victim.encode() +
                         b">\r\nDATA\r\nSubject: smuggled\r\n\r\nEvil\r\n.\r\nNOOP\r\n")
            replies = [session.reply(), session.reply()]
            session.quit()
            return replies

    def test_refused_by_default(self):
        for false_end in FALSE_ENDS:
            with self.subTest(false_end):
                reply, noop = self.smuggle(self.refuse, false_end)
                self.assertEqual(550, reply.code, reply)
                self.assertEqual(250, noop.code, noop)
                if b"\0" not in false_end:
                    self.assertEqual("5.6.11", reply.enhanced)
        self.assertEqual([], self.stack.fetch_all(self.user))
        self.assertEqual([], self.stack.fetch_all(self.victim))

    def test_normalised_when_told_so(self):
        ends = [end for end in FALSE_ENDS if b"\0" not in end]
        for false_end in ends:
            with self.subTest(false_end):
                reply, noop = self.smuggle(self.normalize, false_end)
                self.assertEqual((250, 250), (reply.code, noop.code), reply)
        self.assertEqual([], self.stack.fetch_all(self.victim))
        stored = self.stack.fetch_all(self.user)
        self.assertEqual(len(ends), len(stored))
        for raw in stored:
            content = strip_trace(raw).content
            self.assertIn(b"\r\nSubject: smuggled\r\n\r\nEvil\r\n", content, "all of it is one message")
            self.assertNotRegex(content, rb"(?<!\r)\n|\r(?!\n)")

    def test_bdat_obeys_the_same_rules(self):
        for content in (b"Subject: x\n\nbare LF\n", b"Subject: x\r\n\r\nbare CR\rhere\r\n",
                        b"Subject: x\r\n\r\nat end\r",
                        b"Subject: x\r\n\r\nNUL\0here\r\n"):
            with self.subTest(content):
                with Smtp(self.refuse.ports["mx"]) as session:
                    session.envelope("a@elsewhere.test", self.user)
                    reply = session.bdat(content)
                    self.assertEqual(550, reply.code, reply)
                    self.assertTrue(reply.enhanced.startswith("5.6."), reply)
                    self.assertEqual(250, session.command("NOOP").code)
        self.assertEqual([], self.stack.fetch_all(self.user))

    def test_bdat_with_crlf_split_over_chunks(self):
        content = b"Subject: split\r\n\r\n.\r\n.\r\nend\r\n"
        for size in (1, 2, 3, 7):
            with Smtp(self.refuse.ports["mx"]) as session:
                session.envelope("a@elsewhere.test", self.user)
                self.assertEqual(250, session.bdat(content, size).code)
        self.assertEqual([content] * 4, [strip_trace(raw).content for raw in self.stack.fetch_all(self.user)])

    def test_bare_line_ends_do_not_split_commands(self):
        for separator in (b"\n", b"\r"):
            with self.subTest(separator):
                with Smtp(self.refuse.ports["mx"]) as session:
                    session.send(b"MAIL FROM:<a@elsewhere.test>" + separator + b"RCPT TO:<" + self.user.encode() +
                                 b">\r\n")
                    reply = session.reply()
                    self.assertEqual(5, reply.code // 100, reply)
                    # Neither half was obeyed.
                    self.assertEqual(503, session.command(f"RCPT TO:<{self.user}>").code)

    def test_header_lines_of_the_server_cannot_be_forged_by_the_envelope(self):
        with Smtp(self.refuse.ports["mx"], hello="x") as session:
            for line in (b"EHLO evil\rReceived: forged", b"MAIL FROM:<a@elsewhere.test\r>", b"MAIL FROM:<a\n@b.test>"):
                session.send(line + b"\r\n")
                self.assertEqual(5, session.reply().code // 100)


if __name__ == "__main__":
    unittest.main()
