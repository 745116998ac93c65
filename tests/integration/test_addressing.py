"""Where mail for an address goes: accounts, plus addressing, aliases, catch-all, disabled accounts, quotas."""

import unittest

from mailstead.stack import SharedStackCase
from mailstead.trace import strip_trace

MAIL = b"Subject: addressing\r\n\r\nHello\r\n"


def to_fields(raw):
    """(Delivered-To, X-Original-To...)"""
    traced = strip_trace(raw)
    return traced.delivered_to, traced.original_to


class AddressingTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        super().build(stack)
        cls.ctl = stack.ctl
        cls.users = stack.add_accounts("ann", "Bob", "cleo", "dora")
        cls.ann, cls.bob, cls.cleo, cls.dora = cls.users

    def rcpt(self, address, options=""):
        with self.stack.mx() as session:
            session.expect(250, "MAIL FROM:<a@elsewhere.test>" + options)
            return session.command(f"RCPT TO:<{address}>")

    def counts(self):
        return [len(self.stack.fetch_all(user)) for user in self.users]

    def test_case_of_the_address_does_not_matter(self):
        self.stack.send(["ANN@EXAMPLE.TEST", "bob@Example.Test"], MAIL)
        self.assertEqual([1, 1, 0, 0], self.counts())

    def test_unknown(self):
        reply = self.rcpt("nobody@example.test")
        self.assertEqual((550, "5.1.1"), (reply.code, reply.enhanced), reply)

    def test_plus_addressing(self):
        self.stack.send("ann+lists@example.test", MAIL)
        [raw] = self.stack.fetch_all(self.ann, delete=False)
        # A filter by tag needs the address as it was written.
        self.assertEqual((b"ann@example.test", (b"ann+lists@example.test",)), to_fields(raw))
        self.assertEqual([1, 0, 0, 0], self.counts())
        self.ctl.add_account("ann+own@example.test", "x1 y2")
        self.stack.send("ann+own@example.test", MAIL)
        self.assertEqual([0, 0, 0, 0], self.counts())
        self.assertEqual(550, self.rcpt("nobody+lists@example.test").code)

    def test_alias_with_several_targets_is_one_stored_copy(self):
        self.ctl.add_alias("others@example.test", self.cleo, self.ann)
        self.ctl.add_alias("team@example.test", self.ann, self.bob, "others@example.test")
        before = self.ctl.json("status")
        body = b"Subject: team\r\n\r\n" + b"0123456789abcdef" * 60 + b"\r\n"
        self.stack.send(["team@example.test", self.ann, "others@example.test"], body)
        after = self.ctl.json("status")
        self.assertEqual(3, int(after["message_count"]) - int(before["message_count"]))
        # One delivery, whoever asks: the same content, the same delivery.
        deliveries = {self.ctl.json("message", "list", user)["messages"][0]["delivery_id"]
                      for user in (self.ann, self.bob, self.cleo)}
        self.assertEqual(1, len(deliveries))
        # Each mailbox hears of the addresses that led to it. The address of the mailbox is not told twice.
        for user, original_to in ((self.ann, (b"team@example.test", b"others@example.test")),
                                  (self.bob, (b"team@example.test",)),
                                  (self.cleo, (b"team@example.test", b"others@example.test"))):
            [raw] = self.stack.fetch_all(user, delete=False)
            self.assertEqual((user.encode(), original_to), to_fields(raw))
        self.assertEqual([1, 1, 1, 0], self.counts())

    def test_alias_loop_is_no_endless_loop(self):
        self.ctl.run("alias", "add", "loop1@example.test", "loop2@example.test", "--force")
        done = self.ctl.raw("alias", "add", "loop2@example.test", "loop1@example.test", "--force")
        if done.returncode == 0:
            self.assertEqual(550, self.rcpt("loop1@example.test").code)

    def test_catch_all_takes_what_nobody_else_takes(self):
        self.ctl.add_domain("catch.test")
        self.ctl.add_account("known@catch.test", "correct horse battery")
        self.ctl.add_alias("@catch.test", self.dora)
        for address in ("anything@catch.test", "known@catch.test", "other+tag@catch.test"):
            self.stack.send(address, MAIL)
        self.assertEqual([(self.dora.encode(), (b"anything@catch.test",)), (self.dora.encode(), (b"other+tag@catch.test",))],
                         [to_fields(raw) for raw in self.stack.fetch_all(self.dora, delete=False)])
        self.assertEqual([0, 0, 0, 2], self.counts())
        self.assertEqual(1, len(self.stack.fetch_all("known@catch.test")))

    def test_postmaster_is_always_taken(self):
        for address in ("postmaster", "Postmaster", "postmaster@example.test", "POSTMASTER@Example.Test"):
            with self.subTest(address):
                self.assertEqual(250, self.rcpt(address).code)

    def test_null_reverse_path(self):
        self.stack.send(self.ann, MAIL, sender="")
        [raw] = self.stack.fetch_all(self.ann)
        self.assertEqual(b"", strip_trace(raw).return_path)

    def test_quoted_local_part(self):
        self.ctl.add_account('"odd one"@example.test', "correct horse battery")
        self.stack.send('"odd one"@example.test', MAIL)
        self.stack.send(r'"od\d one"@example.test', MAIL)
        self.stack.send('"ann"@example.test', MAIL)
        self.assertEqual([1, 0, 0, 0], self.counts())
        self.assertEqual("2", str(self.ctl.json("account", "show", '"odd one"@example.test')["usage"]["messages"]))

    def test_dots_anywhere_in_a_local_part(self):
        """As old phones have them: mailboxes of their own, and in RFC 5321's form where they are written."""
        self.ctl.add_account("d..ora.@example.test", "correct horse battery")
        self.assertEqual('"d..ora."@example.test',
                         self.ctl.json("account", "show", "d..ora.@example.test")["address"])
        self.stack.send(["d..ora.@example.test"], MAIL, sender="a..b@docomo.test")
        self.stack.send(['"d..ora."@example.test', "D..ora.+tag@example.test"], MAIL, sender="ab.@docomo.test")
        self.assertEqual(550, self.rcpt("d.ora@example.test").code)
        reply = self.rcpt("dora.@example.test")
        self.assertEqual((550, "5.1.1"), (reply.code, reply.enhanced), reply)
        first, second = self.stack.fetch_all("d..ora.@example.test")
        self.assertIn(b'Return-Path: <"a..b"@docomo.test>\r\nDelivered-To: "d..ora."@example.test\r\n', first)
        self.assertIn(b'for <"d..ora."@example.test>;', first)
        self.assertIn(b'Return-Path: <"ab."@docomo.test>\r\n', second)
        self.assertEqual([0, 0, 0, 0], self.counts())
        self.stack.smtpd.process.wait_for_event("delivered", **{"from": "a..b@docomo.test"})

    def test_internationalised_domain(self):
        self.ctl.add_domain("bücher.test")
        self.ctl.add_account("leser@bücher.test", "correct horse battery")
        with self.stack.mx() as session:
            session.deliver("a@elsewhere.test", "leser@xn--bcher-kva.test", MAIL)
            session.deliver("a@elsewhere.test", "leser@bücher.test", MAIL, options="SMTPUTF8")
            # Without SMTPUTF8 the address has no business here.
            session.expect(250, "MAIL FROM:<a@elsewhere.test>")
            self.assertIn(session.command("RCPT TO:<leser@bücher.test>").code, (501, 553, 550))
        self.assertEqual(2, len(self.stack.fetch_all("leser@xn--bcher-kva.test")))

    def test_disabled_account_takes_no_mail_and_no_login(self):
        [user] = self.stack.add_accounts("gone")
        self.ctl.run("account", "set", user, "--disabled=yes")
        self.assertEqual(550, self.rcpt(user).code)
        with self.stack.pop3() as session:
            session.ok(f"USER {user}")
            self.assertTrue(session.command("PASS correct horse battery").startswith("-ERR"))
        self.ctl.run("account", "set", user, "--disabled=no")
        self.assertEqual(250, self.rcpt(user).code)
        self.stack.pop3(user).quit()

    def test_quota_in_messages(self):
        [user] = self.stack.add_accounts("few")
        self.ctl.run("account", "set", user, "--quota_messages=2")
        self.stack.send(user, MAIL)
        self.stack.send(user, MAIL)
        reply = self.rcpt(user)
        self.assertEqual((452, "4.2.2"), (reply.code, reply.enhanced), reply)
        session = self.stack.pop3(user)
        session.dele(1)
        session.quit()
        self.assertEqual(250, self.rcpt(user).code)
        self.stack.send(user, MAIL)

    def test_quota_in_bytes(self):
        [user] = self.stack.add_accounts("small")
        self.ctl.run("account", "set", user, "--quota_bytes=10000")
        big = b"Subject: big\r\n\r\n" + (b"q" * 76 + b"\r\n") * 120
        self.stack.send(user, big)
        # The message that crosses it is still taken; after that the mailbox is full.
        self.assertEqual(250, self.rcpt(user).code)
        self.stack.send(user, big)
        reply = self.rcpt(user)
        self.assertEqual((452, "4.2.2"), (reply.code, reply.enhanced), reply)
        # Others in the same transaction get their mail.
        with self.stack.mx() as session:
            session.expect(250, "MAIL FROM:<a@elsewhere.test>")
            session.expect(452, f"RCPT TO:<{user}>")
            session.expect(250, f"RCPT TO:<{self.ann}>")
            self.assertEqual(250, session.data(MAIL).code)
        self.assertEqual([1, 0, 0, 0], self.counts())
        self.assertEqual(2, len(self.stack.fetch_all(user)))
        self.assertEqual(250, self.rcpt(user).code)


if __name__ == "__main__":
    unittest.main()
