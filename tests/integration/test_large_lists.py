"""Aliases of ten thousand members, and many recipients that lead to the same ones: they work, or get one clear refusal, and
nobody else hears of it."""

import unittest

from mailstead.stack import SharedStackCase

MEMBERS = 10_000
LIST = 1_000
# Hashing ten thousand passwords is not what is tested.
HASH = "$6$saltsalt$" + "x" * 86
MAIL = b"Subject: to the list\r\n\r\nHello\r\n"


class LargeListsTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd()
        stack.ctl.add_domain("example.test")
        stack.ctl.import_accounts([(f"m{i}@example.test", HASH) for i in range(MEMBERS)])
        lists = []
        for first in range(0, MEMBERS, LIST):
            lists.append(f"list{first // LIST}@example.test")
            stack.ctl.add_alias(lists[-1], *(f"m{i}@example.test" for i in range(first, first + LIST)))
        stack.ctl.add_alias("all@example.test", *lists)

    def messages(self):
        return int(self.stack.ctl.json("status")["message_count"])

    def recipients(self, session, addresses):
        """The codes of RCPT, each with the longest ORCPT, pipelined."""
        orcpt = "rfc822;" + "o" * 490
        session.expect(250, "MAIL FROM:<sender@elsewhere.test>")
        session.send(b"".join(f"RCPT TO:<{address}> ORCPT={orcpt}\r\n".encode() for address in addresses))
        return [session.reply() for _ in addresses]

    def test_a_list_of_ten_thousand(self):
        before = self.messages()
        self.stack.send("all+tag@example.test", MAIL)
        self.assertEqual(MEMBERS, self.messages() - before)

    def test_one_list_repeated(self):
        # What an envelope with the accounts of each recipient would have made 10 MiB and more.
        before = self.messages()
        with self.stack.mx() as session, self.stack.mx() as other:
            replies = self.recipients(session, ["all@example.test"] * 300)
            codes = [reply.code for reply in replies]
            taken = codes.count(250)
            self.assertGreater(taken, 0)
            self.assertEqual([250] * taken + [452] * (300 - taken), codes)
            self.assertEqual("4.5.3", replies[-1].enhanced)
            # Another session's calls share the stream with these.
            other.expect(250, "MAIL FROM:<sender@elsewhere.test>")
            other.expect(250, "RCPT TO:<m1@example.test>")
            self.assertEqual(250, session.data(MAIL).code)
            self.assertEqual(250, other.data(MAIL).code)
        self.assertEqual(MEMBERS + 1, self.messages() - before, "each mailbox once, however many recipients lead there")

    def test_a_thousand_recipients_of_a_thousand_mailboxes_each(self):
        before = self.messages()
        with self.stack.mx() as session:
            todo = [f"list{i % 10}+{i}@example.test" for i in range(1000)]
            codes = [reply.code for reply in self.recipients(session, todo)]
            taken = codes.count(250)
            # What does not fit goes in another transaction.
            self.assertGreater(taken, 10)
            self.assertEqual([250] * taken + [452] * (1000 - taken), codes)
            self.assertEqual(250, session.data(MAIL).code)
            self.assertEqual(MEMBERS, self.messages() - before)
            self.assertEqual(250, self.recipients(session, todo[taken:])[0].code)

    def test_smtpd_stays_small(self):
        process = self.stack.smtpd.process
        with self.stack.mx() as session:
            self.recipients(session, ["m2@example.test"])
            session.expect(250, "RSET")
            before = process.resident_bytes()
            self.recipients(session, ["all@example.test"] * 1000)
            self.assertLess(process.resident_bytes() - before, 8 << 20)


if __name__ == "__main__":
    unittest.main()
