"""No open relay, whatever form the address has (RFC 5321 section 3.6.3 and appendix C)."""

import unittest

from mailstead.stack import SharedStackCase

MAIL = b"Subject: relay\r\n\r\nHello\r\n"

# Where each of these must not lead: away from here. The code is what RCPT says on the MX.
ELSEWHERE = [
    "victim@other.test",
    "victim@OTHER.TEST",
    '"victim"@other.test',
    '"victim@other.test"',
    '"victim@other.test"@example.test',
    "victim%other.test@example.test",
    "victim%other.test@[127.0.0.1]",
    "victim%other.test",
    "other.test!victim@example.test",
    "other.test!victim",
    "other.test!victim@mx.example.test",
    "@example.test:victim@other.test",
    "@example.test,@mx.example.test:victim@other.test",
    "victim@other.test@example.test",
    "victim@other.test,demo@example.test",
    "victim@example.test.other.test",
    "victim@other.test.",
    "victim@[127.0.0.1]",
    "victim@[192.0.2.1]",
    "victim@[IPv6:::1]",
    "victim@localhost",
    "victim@127.0.0.1",
    "victim",
    "demo@sub.example.test",
    "demo@example.test\\@other.test",
    "demo@example.test other.test",
]


class RelayTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd()
        stack.add_pop3d()
        cls.user, cls.other = stack.add_accounts("demo", "other")

    def mailbox_count(self, user):
        return len(self.stack.fetch_all(user))

    def assert_refused(self, session):
        for address in ELSEWHERE:
            with self.subTest(address):
                session.expect(250, "MAIL FROM:<>" if not session.login_name else f"MAIL FROM:<{session.login_name}>")
                reply = session.command(f"RCPT TO:<{address}>")
                self.assertIn(reply.code, (501, 550, 553), reply)
                self.assertRegex(reply.enhanced, r"^5\.", reply)
                # 554 or 503: no recipient, no message.
                self.assertIn(session.command("DATA").code, (503, 554))
                session.expect(250, "RSET")

    def test_mx(self):
        with self.stack.mx() as session:
            session.login_name = None
            self.assert_refused(session)
            session.expect(250, "MAIL FROM:<a@elsewhere.test>")
            reply = session.command("RCPT TO:<victim@other.test>")
            self.assertEqual((550, "5.7.1"), (reply.code, reply.enhanced), reply)

    def test_mx_with_a_local_sender(self):
        """To claim a local sender is no permission."""
        with self.stack.mx() as session:
            session.expect(250, f"MAIL FROM:<{self.user}>")
            reply = session.command("RCPT TO:<victim@other.test>")
            self.assertEqual((550, "5.7.1"), (reply.code, reply.enhanced), reply)

    def test_who_has_logged_in_sends_to_other_hosts(self):
        with self.stack.submission(self.user) as session:
            session.expect(250, f"MAIL FROM:<{self.user}>")
            session.expect(250, "RCPT TO:<friend@other.test>")

    def test_source_route_to_here_is_ignored(self):
        """RFC 5321 appendix C: the route is dropped, the mailbox is what counts."""
        with self.stack.mx() as session:
            session.deliver("a@elsewhere.test", f"@other.test,@third.test:{self.user}", MAIL)
        self.assertEqual(1, self.mailbox_count(self.user))

    def test_only_an_alias_leads_a_stranger_to_other_hosts(self):
        self.stack.ctl.add_alias("away@example.test", "friend@other.test")
        with self.stack.mx() as session:
            session.expect(250, "MAIL FROM:<a@elsewhere.test>")
            session.expect(250, "RCPT TO:<away@example.test>")
            self.assertEqual(550, session.command("RCPT TO:<friend@other.test>").code)

    def test_catch_all_takes_odd_forms_into_a_mailbox_here(self):
        self.stack.ctl.add_domain("catch.test")
        self.stack.ctl.add_alias("@catch.test", self.other)
        with self.stack.mx() as session:
            for address in ("victim%other.test@catch.test", "other.test!victim@catch.test",
                            '"victim@other.test"@catch.test'):
                session.deliver("a@elsewhere.test", address, MAIL)
        self.assertEqual(3, self.mailbox_count(self.other))

    def test_submission_needs_login_and_an_own_sender(self):
        with self.stack.submission() as session:
            reply = session.command(f"MAIL FROM:<{self.user}>")
            self.assertEqual(530, reply.code, reply)
        self.stack.ctl.add_alias("info@example.test", self.user)
        with self.stack.submission(self.user) as session:
            for sender, code in ((self.user, 250), ("info@example.test", 250), (self.user.upper(), 250),
                                 (self.other, 550), ("a@elsewhere.test", 550)):
                reply = session.command(f"MAIL FROM:<{sender}>")
                self.assertEqual(code, reply.code, f"{sender}: {reply}")
                session.expect(250, "RSET")

    def test_submission_is_from_who_sends_it(self):
        self.stack.ctl.add_alias("sales@example.test", self.user)
        self.stack.fetch_all(self.other)
        with self.stack.submission(self.user) as session:
            for header, code in ((f"From: Me <{self.user}>", 250), (f"From: sales@EXAMPLE.test\r\nSender: {self.user}", 250),
                                 (f'From: "{self.other}" <{self.user}>', 250), (f"From: {self.other}", 550),
                                 (f"From: {self.user}\r\nSender: {self.other}", 550), ("From: a@elsewhere.test", 550)):
                session.envelope(self.user, [self.other])
                reply = session.data(f"{header}\r\nBcc: hidden@example.test\r\n\r\nHello\r\n".encode())
                self.assertEqual(code, reply.code, f"{header}: {reply}")
        kept = self.stack.fetch_all(self.other)
        self.assertEqual(3, len(kept))
        for message in kept:
            self.assertNotIn(b"hidden@", message)


if __name__ == "__main__":
    unittest.main()
