"""Mail for mailboxes here that has to wait, and notices to senders here: by the real programs, without a relay."""

import email
import smtplib
import unittest

from mailstead.process import wait_until
from mailstead.stack import DOMAIN, PASSWORD, StackCase
from test_sending import Host

MAIL = (b"From: user@example.test\r\nTo: team@example.test\r\nSubject: hello\r\n"
        b"Date: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\nthe body\r\n")


def report(notice):
    """What a notice says of the message, and of each recipient."""
    parsed = email.message_from_bytes(notice)
    assert parsed.get_content_type() == "multipart/report", notice
    about_message, *recipients = parsed.get_payload()[1].get_payload()
    return about_message, recipients


class SendingLocalTest(StackCase):

    def start(self, *names, **stored_flags):
        self.stack = self.new_stack()
        self.stack.add_stored(**{"retry_schedule": "1s", **stored_flags})
        self.stack.add_smtpd()
        self.stack.add_pop3d()
        return self.stack.add_accounts("user", *names)

    def ctl(self, *arguments):
        return self.stack.ctl.run(*arguments).decode()

    def queued(self):
        return int(self.stack.ctl.json("queue", "stats")["message_count"])

    def await_empty(self):
        wait_until(lambda: self.queued() == 0, 30, "an empty queue", interval=0.05)

    def events(self, name):
        return list(self.stack.stored.process.events(event=name))

    def fill(self, address):
        """One message, and no room for more."""
        self.ctl("account", "set", address, "--quota_messages=1")
        self.stack.send(address, b"Subject: fills it\r\n\r\n")

    def submit(self, sender, *recipients, mail=MAIL, mail_options=(), rcpt_options=()):
        with smtplib.SMTP("127.0.0.1", self.stack.smtpd.ports["submission"]) as session:
            session.starttls(context=self.stack.context)
            session.login(sender, PASSWORD)
            return session.sendmail(sender, recipients, mail, mail_options, rcpt_options)

    def test_a_full_member_gets_its_copy_when_there_is_room(self):
        user, full, other = self.start("full", "other")
        self.fill(full)
        self.ctl("alias", "add", f"team@{DOMAIN}", full, other)
        # Anybody's mail: port 25 takes it, and who is there has it.
        self.stack.send(f"team@{DOMAIN}", MAIL, sender=user)
        [there] = self.stack.fetch_all(other)
        self.assertEqual(1, self.queued())
        listed = self.ctl("queue", "list")
        self.assertIn(full, listed)
        self.assertIn("the mailbox is full", listed)
        wait_until(lambda: self.events("recipient_deferred"), 30, "a further try")
        # By its own address it is refused, and nobody else is in the way of that.
        with self.stack.mx() as session:
            session.command("MAIL FROM:<a@elsewhere.test>")
            self.assertEqual(452, session.command(f"RCPT TO:<{full}>").code)
        [filling] = self.stack.fetch_all(full)
        self.assertIn(b"fills it", filling)
        self.ctl("queue", "retry", "--all")
        self.await_empty()
        [late] = self.stack.fetch_all(full)
        self.assertEqual(there.replace(f"Delivered-To: {other}".encode(), f"Delivered-To: {full}".encode()), late)
        self.assertEqual([], self.stack.fetch_all(user))

    def test_a_full_member_is_given_up_in_the_end(self):
        user, full, other = self.start("full", "other", delay_notice_after="1s", queue_lifetime="4s")
        self.fill(full)
        self.ctl("alias", "add", f"team@{DOMAIN}", full, other)
        self.submit(user, f"team@{DOMAIN}")
        self.await_empty()
        delayed, failed = self.stack.fetch_all(user)
        for notice, action, status in ((delayed, "delayed", "4.2.2"), (failed, "failed", "5.2.2")):
            _, [told] = report(notice)
            self.assertEqual((action, status, f"rfc822; {full}"),
                             (told["Action"], told["Status"], told["Final-Recipient"]))
        self.assertIn(b"the mailbox is full", failed)
        self.assertEqual(1, len(self.stack.fetch_all(full)))

    def test_a_member_that_is_removed_while_its_mail_waits(self):
        user, full, other = self.start("full", "other", retry_schedule="1h")
        self.fill(full)
        self.ctl("alias", "add", f"team@{DOMAIN}", full, other)
        self.submit(user, f"team@{DOMAIN}")
        self.ctl("account", "remove", full, "--yes")
        self.ctl("queue", "retry", "--all")
        self.await_empty()
        [notice] = self.stack.fetch_all(user)
        _, [told] = report(notice)
        self.assertEqual(("failed", "5.1.1", f"rfc822; {full}"),
                         (told["Action"], told["Status"], told["Final-Recipient"]))

    def test_what_can_never_hold_it_is_told_of_at_once(self):
        user, small, other = self.start("small", "other")
        self.ctl("account", "set", small, "--quota_bytes=100")
        # Without SIZE, so that only the end of the message shows it.
        with self.stack.submission(user) as session:
            session.deliver(user, [small, other], MAIL + b"x" * 100 + b"\r\n")
        self.await_empty()
        [notice] = self.stack.fetch_all(user)
        _, [told] = report(notice)
        self.assertEqual(("failed", "5.2.3", f"rfc822; {small}"),
                         (told["Action"], told["Status"], told["Final-Recipient"]))
        self.assertEqual(1, len(self.stack.fetch_all(other)))
        # Alone it is refused: nobody need be told later.
        with self.stack.submission(user) as session:
            session.envelope(user, [small])
            self.assertEqual(552, session.data(MAIL + b"x" * 100 + b"\r\n").code)
        self.assertEqual([], self.stack.fetch_all(user))

    def test_waiting_outlives_the_store(self):
        user, full, other = self.start("full", "other")
        self.fill(full)
        self.ctl("alias", "add", f"team@{DOMAIN}", full, other)
        self.submit(user, f"team@{DOMAIN}")
        self.stack.fetch_all(full)
        self.stack.stored.kill()
        self.stack.stored.restart()
        self.ctl("queue", "retry", "--all")
        self.await_empty()
        self.assertEqual(1, len(self.stack.fetch_all(full)))

    def test_success_is_told(self):
        user, one, two = self.start("one", "two")
        self.ctl("alias", "add", f"team@{DOMAIN}", one, two)
        self.submit(user, one, f"team@{DOMAIN}", mail_options=["RET=HDRS", "ENVID=QQ314159"],
                    rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first@example.test"])
        # In the commit that stored the mail: it is there already.
        notices = self.stack.fetch_all(user)
        told = {}
        for notice in notices:
            self.assertTrue(notice.startswith(b"Return-Path: <>\r\n"), notice[:200])
            about, recipients = report(notice)
            self.assertEqual("QQ314159", about["Original-Envelope-Id"])
            self.assertIn(b"Subject: hello", notice)
            self.assertNotIn(b"the body", notice)
            for recipient in recipients:
                self.assertEqual("rfc822; first@example.test", recipient["Original-Recipient"])
                told[recipient["Final-Recipient"]] = recipient["Action"]
        self.assertEqual({f"rfc822; {one}": "delivered", f"rfc822; team@{DOMAIN}": "expanded"}, told)
        self.assertEqual(2, len(notices))
        self.assertEqual(1, len(self.stack.fetch_all(one)))
        # Who did not ask is not told.
        for options in ([], ["NOTIFY=FAILURE"], ["NOTIFY=NEVER"]):
            self.submit(user, one, rcpt_options=options)
        self.assertEqual([], self.stack.fetch_all(user))

    def test_success_is_told_to_a_sender_elsewhere(self):
        user, = self.start()
        host = Host(self)
        self.ctl("route", "set", "default", "--via", f"127.0.0.1:{host.port}")
        with self.stack.mx() as session:
            session.expect(250, "MAIL FROM:<stranger@far.test>")
            session.expect(250, f"RCPT TO:<{user}> NOTIFY=SUCCESS")
            self.assertEqual(250, session.data(MAIL).code)
        self.assertEqual(1, len(self.stack.fetch_all(user)))
        self.assertEqual(1, self.queued())
        self.stack.add_relay()
        self.await_empty()
        [notice] = host.messages
        self.assertEqual(("", ["stranger@far.test"]), (notice["from"], notice["to"]))
        self.assertIn(b"Action: delivered", notice["content"])

    def test_mail_that_goes_in_circles_ends(self):
        """Two hosts whose aliases lead to each other, and a sender in the circle."""
        stacks = []
        for domain in (DOMAIN, "far.test"):
            stack = self.new_stack(hostname=f"mx.{domain}")
            stack.add_stored(retry_schedule="1s")
            stack.add_smtpd()
            stack.add_pop3d()
            stack.add_accounts("user", domain=domain)
            stack.add_relay()
            stacks.append(stack)
        here, there = stacks
        here.ctl.run("route", "set", "far.test", "--via", f"127.0.0.1:{there.smtpd.ports['mx']}")
        there.ctl.run("route", "set", DOMAIN, "--via", f"127.0.0.1:{here.smtpd.ports['mx']}")
        here.ctl.run("alias", "add", f"loop@{DOMAIN}", "loop@far.test")
        there.ctl.run("alias", "add", "loop@far.test", f"loop@{DOMAIN}")

        here.send(f"loop@{DOMAIN}", MAIL, sender=f"user@{DOMAIN}")
        wait_until(lambda: here.fetch_all(f"user@{DOMAIN}", delete=False), 120, "a notice", interval=0.5)
        [notice] = here.fetch_all(f"user@{DOMAIN}")
        _, [told] = report(notice)
        self.assertEqual(("failed", "5.4.6"), (told["Action"], told["Status"]))
        # The notice of this one goes in circles, too; and is not answered.
        here.send(f"loop@{DOMAIN}", MAIL, sender="loop@far.test")
        wait_until(lambda: [got for stack in stacks
                            for got in stack.stored.process.events(event="recipient_failed", **{"from": "<>"})],
                   120, "the end of the circles")
        for stack, domain in zip(stacks, (DOMAIN, "far.test")):
            self.assertEqual("0", stack.ctl.json("queue", "stats").get("message_count", "0"))
            self.assertEqual([], stack.fetch_all(f"user@{domain}"))
            self.assertLess(len(list(stack.stored.process.events(event="delivered"))), 200)


if __name__ == "__main__":
    unittest.main()
