"""A host that refuses and defers in the words of large providers: each of their replies (tests/fixtures/smtp-replies) at each
stage. The class of the reply decides, and the words reach the operator and the sender."""

import re
import tomllib
import unittest

from mailstead import dns
from mailstead.mail_host import AS_USUAL, Host
from mailstead.paths import REPOSITORY
from mailstead.sending import SendingCase, said

STAGES = ("greeting", "MAIL", "RCPT", "DATA", "dot")


class Said:
    """One reply at one stage, by a host with an address of its own."""

    def __init__(self, number, stage, code, message):
        self.stage, self.code = stage, code
        # Some lines have their code in front, and some a comma behind that.
        lines = [re.sub(rf"^ ?{code}[- ,]", "", line).strip() for line in message.splitlines()]
        self.reply = "\r\n".join(f"{code}{' ' if line is lines[-1] else '-'}{line}" for line in lines)
        status = [re.match(r"[245]\.\d{1,3}\.\d{1,3}(?= )", line) for line in lines]
        self.status = status[0][0] if status[0] else f"{str(code)[0]}.0.0"
        self.words = " ".join(" ".join(re.sub(r"^[245]\.\d{1,3}\.\d{1,3} ", "", line) for line in lines).split())
        self.name = f"r{number}"
        self.address = f"127.1.{number // 250}.{number % 250 + 1}"
        self.recipient = f"friend@{self.name}.replies.test"
        # RFC 5321 section 4.5.3.1.10: 552 to RCPT may mean too many recipients, where nothing says more.
        is_vague = stage == "RCPT" and code == 552 and not status[0]
        self.returns = 500 <= code and not is_vague


def replies():
    with open(REPOSITORY / "tests/fixtures/smtp-replies/responses.toml", "rb") as file:
        data = tomllib.load(file)
    distinct = {(entry["code"], entry["msg"]) for kind in ("bounce", "defer") for entries in data[kind].values()
                for entry in entries}
    return sorted(distinct)


class RepliesTest(SendingCase):

    @classmethod
    def build(cls, stack):
        cls.rows = [Said(number, stage, code, message) for number, (stage, (code, message)) in
                    enumerate((stage, reply) for stage in STAGES for reply in replies())]
        zones = dns.Zones(cls)
        zones.add("replies.test", "\n".join(f"{row.name} IN MX 10 mx.{row.name}\nmx.{row.name} IN A {row.address}"
                                            for row in cls.rows))
        resolver = dns.Unbound(cls, zones, dns.Nsd(cls, zones))
        by_address = {row.address: row for row in cls.rows}

        def say_at(stage):
            def say(session):
                row = by_address[session.address]
                return row.reply if row.stage == stage else AS_USUAL
            return say

        class CleanUp:
            addCleanup = cls.addClassCleanup
        cls.host = Host(CleanUp, address="0.0.0.0", **{stage: say_at(stage) for stage in STAGES})
        # One attempt.
        stack.add_stored(retry_schedule="1h")
        stack.add_smtpd()
        stack.add_pop3d()
        [cls.user] = stack.add_accounts("user")
        stack.add_relay(delivery_workers=50, delivery_port=cls.host.port, delivery_allow_networks="127.1.0.0/16",
                        dns_servers=f"127.0.0.1:{resolver.port}")

    def test_each_at_each_stage(self):
        self.assertEqual(280, len(self.rows))
        with self.stack.submission(self.user) as session:
            for row in self.rows:
                session.deliver(self.user, row.recipient, f"From: {self.user}\r\nSubject: {row.name}\r\n\r\nHello\r\n".encode())
        waiting = self.await_attempts()
        told = self.notices_by_recipient(self.user)
        for row in self.rows:
            with self.subTest(row.reply, stage=row.stage):
                if row.returns:
                    self.check_returned(row, *told.pop(row.recipient))
                else:
                    self.check_waiting(row, waiting.pop(row.recipient))
        self.assertEqual(({}, {}), (told, waiting))
        self.assertEqual([], self.host.messages)

    def check_waiting(self, row, recipient):
        self.assertEqual((row.code, row.words), (recipient["reply_code"], " ".join(recipient["reply_text"].split())))
        # A status of another class than the outcome says nothing.
        self.assertEqual("4" + row.status[1:], recipient["reply_status"])
        self.assertEqual(f"mx.{row.name}.replies.test", recipient["reply_host"])

    def check_returned(self, row, fields, message):
        self.assertEqual(("failed", "5" + row.status[1:]), (fields["Action"], fields["Status"]))
        self.assertTrue(said(fields).startswith(f"{row.code} "), said(fields))
        self.assertTrue(said(fields).endswith(row.words), f"{said(fields)}\n{row.words}")
        self.assertEqual(f"dns; mx.{row.name}.replies.test", fields["Remote-MTA"])
        # A line that is too long is broken where it has no blank.
        self.assertIn("".join(row.words.split()), "".join(message.get_payload(0).get_payload().split()))


if __name__ == "__main__":
    unittest.main()
