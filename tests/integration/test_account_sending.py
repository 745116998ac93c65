"""What one account may send, over all front-ends, and the pause of one whose password somebody else seems to have: by the
real programs."""

import concurrent.futures
import unittest

from mailstead.mail_host import Host
from mailstead.process import wait_until
from mailstead.smtp import Refused
from mailstead.stack import DOMAIN, StackCase

MAIL = (b"From: user@example.test\r\nTo: friend@far.test\r\nSubject: hello\r\n"
        b"Date: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\nbody\r\n")


class AccountSendingTest(StackCase):

    def start(self, smtpds=1, **stored_flags):
        self.stack = self.new_stack()
        self.stack.add_stored(**{"retry_schedule": "1s", "secrets_key_file": self.stack.folder / "secrets.key", **stored_flags})
        self.smtpds = [self.stack.add_smtpd() for _ in range(smtpds)]
        self.stack.add_pop3d()
        [self.user] = self.stack.add_accounts("user")
        self.host = Host(self)
        self.ctl("route", "set", "default", "--via", f"127.0.0.1:{self.host.port}")

    def ctl(self, *arguments, **options):
        return self.stack.ctl.run(*arguments, **options).decode()

    def submit(self, *recipients, mail=MAIL, sender=None):
        """The reply that the message ended with, or that refused it before."""
        sender = sender or self.user
        try:
            with self.stack.submission(sender) as session:
                return session.deliver(sender, list(recipients), mail.replace(b"user@example.test", sender.encode()))
        except Refused as refused:
            return refused.reply

    def shown(self):
        return self.ctl("account", "show", self.user)

    def state(self):
        return self.stack.ctl.json("account", "show", self.user)["sending_state"]

    def queued(self):
        return int(self.stack.ctl.json("queue", "stats")["message_count"])

    def await_empty(self):
        wait_until(lambda: self.queued() == 0, 30, "an empty queue", interval=0.05)

    def friends(self, count, name="friend"):
        return [f"{name}-{number}@far.test" for number in range(count)]

    def test_a_limit_says_when_it_may_go_on(self):
        self.start(account_hourly_recipients="5", account_daily_recipients="7")
        self.assertEqual(250, self.submit(*self.friends(5)).code)
        reply = self.submit("one-more@far.test")
        self.assertEqual(450, reply.code)
        self.assertRegex(str(reply), r"4\.7\.1 Too much mail: the account may have 5 recipients at other hosts in an hour; "
                                     r"this message from 20\d\d-\d\d-\d\d \d\d:\d\d UTC")
        # Mail for mailboxes here goes on, and is not counted.
        self.assertEqual(250, self.submit(self.user).code)
        reply = self.submit(*self.friends(8))
        self.assertEqual(550, reply.code)
        self.assertIn("has 8 recipients", str(reply))
        self.assertIn("5 recipients of 5, 1 message, 5 new", self.shown())
        self.assertIn("5 recipients of 7, 1 message, 5 new", self.shown())
        # Of its own; and without any.
        self.ctl("account", "set", self.user, "--hourly_recipients=0", "--daily_recipients=6")
        self.assertEqual(250, self.submit("one-more@far.test").code)
        self.assertIn("6 recipients at other hosts in a day", str(self.submit("one-more@far.test")))
        self.ctl("account", "set", self.user, "--daily_recipients=default")
        self.assertEqual(250, self.submit("one-more@far.test").code)
        self.assertIn("7 recipients at other hosts in a day", str(self.submit("one-more@far.test")))
        def refused():
            return len(list(self.stack.stored.process.events(event="sending_refused")))
        # The log gathers its lines for a moment.
        wait_until(lambda: refused() >= 4, 5, "lines of the log")
        self.assertEqual(4, refused())

    def test_three_smtpds_share_a_limit_exactly(self):
        self.start(smtpds=3, account_hourly_recipients="20")

        def send(number):
            smtpd = self.smtpds[number % 3]
            with self.stack.submission(self.user, server=smtpd) as session:
                session.envelope(self.user, [f"friend-{number}@far.test"])
                return session.data(MAIL).code

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            codes = list(pool.map(send, range(40)))
        self.assertEqual((20, 20), (codes.count(250), codes.count(450)), codes)
        self.assertEqual(20, self.queued())
        # Killed, it has forgotten none.
        self.stack.stored.kill()
        self.stack.stored.restart()
        self.assertEqual(450, self.submit("another@far.test").code)
        self.assertIn("20 recipients of 20, 20 messages", self.shown())

    def test_aliases_count_as_what_they_lead_to(self):
        self.start(account_hourly_recipients="3")
        self.ctl("alias", "add", f"team@{DOMAIN}", self.user, *self.friends(3))
        self.assertEqual(250, self.submit(f"team@{DOMAIN}").code)
        self.assertEqual(450, self.submit("friend-0@far.test").code)

    def test_strangers_and_notices_are_not_counted(self):
        self.start(account_hourly_recipients="2", srs_domain="srs.example.test")
        self.host.become(RCPT=lambda session: "550 5.1.1 gone" if "friend" in session.line else "250 2.1.5 ok")
        self.stack.add_relay()
        self.ctl("alias", "add", f"team@{DOMAIN}", *self.friends(2))
        for _ in range(3):
            with self.stack.mx() as session:
                session.deliver("ann@stranger.test", [f"team@{DOMAIN}"], MAIL)
        # Each is refused: the strangers get notices, and so does the account.
        self.assertEqual(250, self.submit(*self.friends(2)).code)
        self.await_empty()
        self.assertEqual(1, len(self.stack.fetch_all(self.user)))
        self.assertIn("2 recipients of 2, 1 message", self.shown())

    def test_many_new_recipients_pause_an_account(self):
        self.start(pause_new_recipients="10")
        self.assertEqual(250, self.submit(*self.friends(9)).code)
        self.assertEqual("SENDING_STATE_ACTIVE", self.state())
        for _ in range(3):
            self.assertEqual(250, self.submit(*self.friends(9)).code)
        reply = self.submit("stranger@far.test")
        self.assertEqual(550, reply.code)
        self.assertIn("5.7.1 Sending of this account is paused", str(reply))
        self.assertEqual("SENDING_STATE_PAUSED", self.state())
        self.assertRegex(self.shown(), r"PAUSED since .*: it wrote to very many new recipients")
        [paused] = self.stack.stored.process.events(event="sending_paused")
        self.assertEqual("new_recipients", paused["why"])
        # At MAIL already, and for mailboxes here, too.
        with self.stack.submission(self.user) as session:
            self.assertEqual(550, session.command(f"MAIL FROM:<{self.user}>").code)
        self.assertEqual(550, self.submit(self.user).code)
        # What was taken before waits, held as soon as it is due, over a restart.
        self.stack.stored.kill()
        self.stack.stored.restart()
        self.stack.add_relay()
        wait_until(lambda: "STATE_HELD" in str(self.stack.ctl.json("queue", "list")), 30, "what is held")
        self.assertEqual([], self.host.messages)
        # Others are not meant.
        [other] = self.stack.add_accounts("other")
        self.assertEqual(250, self.submit("friend@far.test", sender=other).code)
        wait_until(lambda: len(self.host.messages) == 1, 30, "the mail of another")
        self.assertIn("goes on", self.ctl("account", "resume", self.user))
        self.await_empty()
        self.assertEqual(250, self.submit("stranger@far.test").code)
        self.assertEqual("SENDING_STATE_ACTIVE", self.state())
        audited = [line["action"].rsplit("/")[-1] for line in self.stack.stored.process.events(event="audit")]
        self.assertIn("ResumeSending", audited)

    def test_many_refusals_pause_an_account(self):
        self.start(pause_refusals="5", pause_refusal_percent="50")
        self.stack.add_relay()
        self.host.become(RCPT=lambda session: "550 5.1.1 gone" if "gone" in session.line else "250 2.1.5 ok")
        self.assertEqual(250, self.submit(*self.friends(6)).code)
        # Before the others: five refusals and nothing else would be very many.
        wait_until(lambda: "6 taken, 0 refused" in self.shown(), 30, "six that were taken")
        self.assertEqual(250, self.submit(*self.friends(5, "gone")).code)
        wait_until(lambda: "6 taken, 5 refused" in self.shown(), 30, "five that were refused")
        self.assertEqual("SENDING_STATE_ACTIVE", self.state())
        self.assertEqual(250, self.submit("gone-5@far.test").code)
        wait_until(lambda: self.state() == "SENDING_STATE_PAUSED", 30, "a pause")
        self.assertIn("very many of its recipients were refused", self.shown())

    def test_a_newsletter_is_trusted(self):
        self.start(pause_new_recipients="5", account_hourly_recipients="5")
        self.ctl("account", "set", self.user, "--trusted=yes", "--hourly_recipients=100")
        self.assertEqual(250, self.submit(*self.friends(50)).code)
        self.assertIn("active, trusted", self.shown())

    def test_by_hand(self):
        self.start()
        self.assertIn("PAUSED since", self.ctl("account", "pause", self.user))
        self.assertIn("by an operator", self.shown())
        self.assertEqual(550, self.submit("friend@far.test").code)
        # It logs in, and gets its mail.
        self.stack.send(self.user, b"Subject: hello\r\n\r\n")
        self.assertEqual(1, len(self.stack.fetch_all(self.user)))
        listed = self.stack.ctl.json("account", "list", DOMAIN)["accounts"]
        self.assertEqual(["SENDING_STATE_PAUSED"], [account["sending_state"] for account in listed])
        self.ctl("account", "resume", self.user)
        self.assertEqual(250, self.submit("friend@far.test").code)


if __name__ == "__main__":
    unittest.main()
