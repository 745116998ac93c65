"""Mail that is submitted by calls: the same rules as at port 587, and what becomes of it until the end, and after."""

import random
import threading
import time

from mailstead.ctl import CtlError
from mailstead.mail_host import Host
from mailstead.process import wait_until
from mailstead.smtp import Refused
from mailstead.stack import StackCase

BODY = b"Subject: hello\r\n\r\nbody\r\n"
MAIL = b"From: user@example.test\r\n" + BODY

BOUNCE = """From: MAILER-DAEMON@far.test
To: user@example.test
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; inner.far.test
{envelope_id}

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 gone

--b
Content-Type: text/rfc822-headers

Message-ID: <{message_id}>

--b--
"""


class SubmissionTest(StackCase):

    def start(self, relay=True, **stored_flags):
        self.stack = self.new_stack()
        self.stack.add_stored(retry_schedule="1s", **stored_flags)
        self.stack.add_smtpd()
        self.stack.add_pop3d()
        self.user, self.other = self.stack.add_accounts("user", "other")
        if relay:
            self.stack.add_relay()
        return self.stack

    def route(self, host):
        self.stack.ctl.run("route", "set", "default", "--via", f"127.0.0.1:{host.port}")

    def submit(self, *recipients, mail=MAIL, sender=None, more=()):
        return self.stack.ctl.json("submit", "-", "--from", sender or self.user, "--account", self.user,
                                   *(f"--to={to}" for to in recipients), *more, input=mail)

    def show(self, submission):
        return self.stack.ctl.json("submission", "show", submission["submission_id"])

    def states(self, submission):
        return {to["address"]: to["state"].removeprefix("RECIPIENT_STATE_") for to in self.show(submission)["recipients"]}

    def await_states(self, submission, **wanted):
        """By local part."""
        def are_so():
            states = self.states(submission)
            return all(states[address] == wanted[address.split("@")[0]] for address in states)
        wait_until(are_so, 30, f"{wanted}", interval=0.05)

    def test_delivered_relayed_deferred_and_failed(self):
        self.start()
        tries = []

        def answer(session):
            if "later@" in session.line:
                tries.append(session.line)
                return "450 4.2.0 come back" if len(tries) == 1 else "250 2.1.5 ok"
            return "550 5.1.1 no such user" if "bad@" in session.line else "250 2.1.5 ok"

        host = Host(self, RCPT=answer)
        self.route(host)
        taken = self.submit("good@far.test", "later@far.test", "bad@far.test", self.other, "none@example.test",
                            mail=b"Bcc: hidden@far.test\r\n" + MAIL)
        self.assertEqual(["RESULT_QUEUED"] * 3 + ["RESULT_DELIVERED", "RESULT_REFUSED"],
                         [result["result"] for result in taken["results"]])
        self.assertEqual("RECIPIENT_UNKNOWN", taken["results"][4]["reason"])
        self.await_states(taken, good="RELAYED", later="RELAYED", bad="FAILED", other="DELIVERED", none="REFUSED")
        by_address = {to["address"]: to for to in self.show(taken)["recipients"]}
        self.assertEqual("2.0.0", by_address["good@far.test"]["reply_status"])
        self.assertEqual(250, by_address["good@far.test"]["reply_code"])
        self.assertEqual(2, by_address["later@far.test"]["attempt_count"])
        self.assertEqual((550, "5.1.1"), (by_address["bad@far.test"]["reply_code"], by_address["bad@far.test"]["reply_status"]))
        content = host.messages[0]["content"]
        self.assertNotIn(b"hidden@", content)
        for wanted in (b"Received: from ", b"\r\nDate: ", b"\r\nMessage-ID: <" + taken["message_id"].encode() + b">\r\n"):
            self.assertIn(wanted, content)
        self.assertIn(b"550", b"".join(self.stack.fetch_all(self.user)))
        [listed] = self.stack.ctl.json("submission", "list", self.user)["submissions"]
        self.assertEqual(taken["submission_id"], listed["submission_id"])

    def test_both_doors_hold_the_same_rules(self):
        self.start(relay=False)
        self.stack.ctl.add_alias("sales@example.test", self.user)
        long_line = b"x" * 999 + b"\r\n"
        rows = [
            ("own", self.user, MAIL, True),
            ("tag", "user+tag@example.test", b"From: user+tag@example.test\r\n" + BODY, True),
            ("alias", "sales@example.test", b"From: sales@example.test\r\n" + BODY, True),
            ("reverse-path of another", self.other, MAIL, False),
            ("From of another", self.user, b"From: other@example.test\r\n" + BODY, False),
            ("one From of two", self.user, b"From: user@example.test, other@example.test\r\n" + BODY, False),
            ("Sender of another", self.user, b"Sender: other@example.test\r\n" + MAIL, False),
            ("two From", self.user, b"From: elsewhere@far.test\r\n" + MAIL, False),
            ("From that is none", self.user, b"From: nobody\r\n" + BODY, False),
            ("no From", self.user, BODY, True),
            ("long line", self.user, MAIL + long_line, False),
            ("loop", self.user, b"Received: from x\r\n" * 101 + MAIL, False),
            ("NUL", self.user, MAIL + b"a\0b\r\n", False),
        ]
        for name, sender, mail, is_taken in rows:
            with self.subTest(name):
                try:
                    with self.stack.submission(self.user) as session:
                        session.deliver(sender, ["friend@far.test"], mail)
                    by_port = True
                except Refused:
                    by_port = False
                try:
                    self.submit("friend@far.test", mail=mail, sender=sender)
                    by_call = True
                except CtlError:
                    by_call = False
                self.assertEqual((is_taken, is_taken), (by_port, by_call))

    def test_it_goes_when_its_time_comes_also_after_a_restart(self):
        self.start()
        host = Host(self)
        self.route(host)
        taken = self.submit("friend@far.test", self.other, more=["--send_time=4s"])
        cancelled = self.submit("lost@far.test", more=["--send_time=4s"])
        self.assertEqual({"friend@far.test": "SCHEDULED", self.other: "SCHEDULED"}, self.states(taken))
        self.assertEqual("1 recipient cancelled\n",
                         self.stack.ctl.run("submission", "cancel", cancelled["submission_id"], "--yes").decode())
        # What is there is released; what has its time is not.
        self.stack.ctl.run("queue", "retry", "--all")
        self.stack.stored.kill()
        self.stack.stored.restart()
        self.assertEqual({"friend@far.test": "SCHEDULED", self.other: "SCHEDULED"}, self.states(taken))
        self.assertEqual([], host.messages)
        self.await_states(taken, friend="RELAYED", other="DELIVERED")
        self.await_states(cancelled, lost="CANCELLED")
        self.assertEqual([["friend@far.test"]], [message["to"] for message in host.messages])

    def test_a_repeat_is_the_same_over_kills_of_the_store(self):
        self.start(relay=False)
        self.stack.stored.keep_ports()
        dice = random.Random(7)
        answers = {}
        for number in range(12):
            more = [f"--request_id=request-of-round-{number}"]

            def kill():
                time.sleep(dice.random() * 0.05)
                self.stack.stored.kill()

            killer = threading.Thread(target=kill)
            killer.start()
            first = None
            try:
                first = self.submit(self.other, "friend@far.test", more=more)
            except CtlError:
                pass
            killer.join()
            self.stack.stored.restart()
            again = self.submit(self.other, "friend@far.test", more=more)
            for answer in (first, again):
                if answer is not None:
                    answer.pop("outcome")
                    self.assertEqual(answers.setdefault(number, answer), answer)
        self.assertEqual(12, int(self.stack.ctl.json("queue", "stats")["message_count"]))
        self.assertEqual(12, len(self.stack.ctl.json("submission", "list", self.user)["submissions"]))
        wait_until(self.stack.pop3d.ready, 30, "pop3d")
        self.assertEqual(12, len(self.stack.fetch_all(self.other)))
        with self.assertRaisesRegex(CtlError, "stands for another submission"):
            self.submit(self.other, more=["--request_id=request-of-round-3"])

    def test_a_bounce_that_comes_back_later_is_matched(self):
        self.start()
        self.route(Host(self))
        taken = self.submit("one@far.test", "two@far.test")
        self.await_states(taken, one="RELAYED", two="RELAYED")

        def bounce(recipient, action, envelope_id="", message_id="x@far.test"):
            text = BOUNCE.format(recipient=recipient, action=action, message_id=message_id,
                                 envelope_id=f"Original-Envelope-Id: {envelope_id}" if envelope_id else "X: y")
            self.stack.send([self.user], text.replace("\n", "\r\n").encode(), sender="")

        bounce("one@far.test", "failed", envelope_id="0" * 32)
        bounce("three@far.test", "failed", envelope_id=taken["submission_id"])
        bounce("one@far.test", "delayed", envelope_id=taken["submission_id"])
        self.assertEqual({"one@far.test": "RELAYED", "two@far.test": "RELAYED"}, self.states(taken))
        bounce("one@far.test", "failed", envelope_id=taken["submission_id"])
        bounce("two@far.test", "failed", message_id=taken["message_id"])
        self.assertEqual({"one@far.test": "BOUNCED", "two@far.test": "BOUNCED"}, self.states(taken))
        told = self.show(taken)["recipients"][0]["bounce"]
        self.assertEqual(("5.1.1", "550 5.1.1 gone", "inner.far.test"),
                         (told["status"], told["text"], told["reporting_host"]))
        self.assertEqual(5, len(self.stack.fetch_all(self.user)))

    def test_limits_and_pause_hold(self):
        self.start(relay=False, account_hourly_recipients=2)
        self.submit("1@far.test", "2@far.test")
        with self.assertRaisesRegex(CtlError, "2 recipients at other hosts"):
            self.submit("3@far.test")
        self.submit(self.other)
        self.stack.ctl.run("account", "pause", self.user)
        with self.assertRaisesRegex(CtlError, "paused"):
            self.submit(self.other)

    def test_what_ended_long_ago_is_forgotten(self):
        self.start(relay=False, submission_age="1s")
        taken = self.submit(self.other)

        def is_forgotten():
            # It is looked at the start, and then once an hour.
            self.stack.stored.kill()
            self.stack.stored.restart()
            return not self.stack.ctl.json("submission", "list")["submissions"]

        wait_until(is_forgotten, 30, "nothing kept", interval=0.2)
        with self.assertRaisesRegex(CtlError, "no such submission"):
            self.show(taken)
