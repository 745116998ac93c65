"""Mail from one Mailstead to another by way of Postfix, Exim and OpenSMTPD: each of them is the host that our relay brings
mail to, and the one that brings mail to our smtpd."""

import email
import re
import unittest

from mailstead import peers
from mailstead.process import wait_until
from mailstead.smtp import Smtp
from mailstead.stack import SharedStackCase, Stack

WAIT = 60
PEERS = (peers.Postfix, peers.Exim, peers.OpenSmtpd)
SENDER = "user@example.test"
# What stands in front of a message when it has come by way of a peer: fields of the mailbox, and Received.
TRACE = re.compile(rb"(?:(?:Return-Path|Delivered-To|X-Original-To|Received):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*")


def mail(subject, body=b"body\r\n", fields=b""):
    return (b"From: user@example.test\r\nTo: friend@far.test\r\nSubject: " + subject.encode() +
            b"\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + subject.replace(" ", "-").encode("ascii", "ignore") +
            b"@example.test>\r\n" + fields + b"\r\n" + body)


CONTENTS = [
    mail("dots", b".\r\n..\r\n.a line\r\n\r\n.\r\n"),
    mail("eight bits", "gr\u00fcn \u20ac\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
         b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain\r\n"),
    mail("long lines", b"x" * 998 + b"\r\n" + b"." + b"y" * 997 + b"\r\n"),
    mail("empty", b""),
    mail("odd fields", fields=b"X-Odd:\ttabs and  blanks \r\n\t folded \r\nX-Empty:\r\nx-odd: again\r\n"),
    mail("five megabytes", (b"." + b"z" * 70 + b"\r\n") * 72_000),
]


class PeersTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        # `far` has the peers' domains; `stack` that of the sender.
        cls.far = Stack(hostname="mx.far.test")
        cls.addClassCleanup(cls.far.close)
        for each in (stack, cls.far):
            each.add_stored(retry_schedule="1s", secrets_key_file=each.folder / "secrets.key", hostname=each.hostname)
            each.add_smtpd()
            each.add_pop3d()
            each.add_relay(environment={"SSL_CERT_FILE": str(stack.authority.cert)})
        [cls.user] = stack.add_accounts("user")
        cert, key = stack.authority.issue("peer.test")
        cls.peers = [peer(cls, cls.far.smtpd.ports["mx"], stack.smtpd.ports["mx"], cert, key) for peer in PEERS]
        # Notices come back directly.
        cls.far.ctl.run("route", "set", "example.test", "--via", f"127.0.0.1:{stack.smtpd.ports['mx']}")
        for peer in cls.peers:
            cls.far.add_accounts("friend", "known", "user", "later", "noticed", "gr\u00fcn", domain=peer.domain)
            cls.set_route(stack, peer)

    @staticmethod
    def set_route(stack, peer):
        # "may" is also where a host offers what it cannot do.
        stack.ctl.run("route", "set", peer.domain, "--via", f"127.0.0.1:{peer.port}", "--tls",
                      "verify" if peer.has_tls else "may")

    def submit(self, recipients, content, options=""):
        with self.stack.submission(self.user) as session:
            session.deliver(self.user, recipients, content, options)

    def fetch(self, address, count):
        got = []

        def look():
            got.extend(self.far.fetch_all(address))
            return len(got) >= count
        wait_until(look, WAIT, f"{count} messages for {address}", interval=0.1)
        self.assertEqual(count, len(got))
        return got

    def notices(self, count, at_least=False):
        """Notices to the sender: the text for people, the fields of the message, those of the recipient, all as a whole."""
        raws = []

        def look():
            raws.extend(self.stack.fetch_all(self.user))
            return len(raws) >= count
        wait_until(look, WAIT, f"{count} notices", interval=0.1)
        if not at_least:
            self.assertEqual(count, len(raws))
        told = []
        for raw in raws:
            self.assertTrue(raw.startswith(b"Return-Path: <>\r\n"), raw[:200])
            message = email.message_from_bytes(raw)
            # OpenSMTPD's are mixed.
            self.assertIn(message.get_content_type(), ("multipart/report", "multipart/mixed"), raw)
            status = message.get_payload()[1]
            fields, recipient = status.get_payload() if status.get_content_type() == "message/delivery-status" else (
                # Python reads that of RFC 6533 as a message, whose text is the second block.
                status.get_payload(0), email.message_from_string(status.get_payload(0).get_payload()))
            told.append((message.get_payload()[0].get_payload(), fields, recipient, raw))
        return told

    def by_peer(self, told):
        found = {}
        for notice in told:
            recipient = notice[2]["Final-Recipient"].partition(";")[2].strip()
            found[recipient.partition("@")[2]] = notice
        self.assertEqual(len(told), len(found))
        return found

    # --- tests ---

    def test_messages_arrive_as_they_were_sent(self):
        for content in CONTENTS:
            self.submit([f"friend@{peer.domain}" for peer in self.peers], content)
        for peer in self.peers:
            arrived = {}
            for raw in self.fetch(f"friend@{peer.domain}", len(CONTENTS)):
                content = raw[TRACE.match(raw).end():]
                arrived[content[:content.index(b"Date:")]] = (content, raw)
            for content in CONTENTS:
                with self.subTest(peer.name, content=content[:100]):
                    got, raw = arrived[content[:content.index(b"Date:")]]
                    self.assertTrue(content == got, f"{len(content)} {len(got)} {got[:400]}")
                    trace = raw[:len(raw) - len(got)]
                    # From the peer by TLS, and to it by TLS that was verified.
                    [_, ours, theirs, _] = trace.split(b"Received: ")
                    self.assertIn(b"with ESMTPS", ours)
                    if peer.has_tls:
                        self.assertIn(peer.tls_word, theirs)
                    self.assertTrue(raw.startswith(b"Return-Path: <user@example.test>\r\n"), raw[:80])

    def test_what_they_take_by_themselves_arrives_too(self):
        for peer in self.peers:
            with self.subTest(peer.name):
                with Smtp(peer.port, tls="starttls" if peer.has_tls else None, context=self.stack.context) as session:
                    self.assertEqual(peer.has_dsn, "DSN" in session.capabilities)
                    self.assertEqual(peer.has_smtputf8, "SMTPUTF8" in session.capabilities)
                    session.deliver("stranger@example.test", f"known@{peer.domain}", CONTENTS[0])
                [raw] = self.fetch(f"known@{peer.domain}", 1)
                self.assertEqual(CONTENTS[0], raw[TRACE.match(raw).end():])

    def test_a_local_part_that_needs_smtputf8(self):
        content = mail("an address in UTF-8", fields="X-Utf8: gr\u00fcn\r\n".encode())
        self.submit([f"gr\u00fcn@{peer.domain}" for peer in self.peers], content, "SMTPUTF8")
        for peer in self.peers:
            with self.subTest(peer.name):
                if peer.has_smtputf8:
                    [raw] = self.fetch(f"gr\u00fcn@{peer.domain}", 1)
                    self.assertEqual(content, raw[TRACE.match(raw).end():])
        [told] = self.notices(1)
        self.assertEqual("5.6.7", told[2]["Status"])
        self.assertIn("opensmtpd.test", told[2]["Final-Recipient"])

    def test_logging_in(self):
        for peer in self.peers:
            if peer.has_tls:
                with self.subTest(peer.name):
                    self.log_in_at(peer)

    def log_in_at(self, peer):
        for password in ("a wrong one", peers.PASSWORD):
            self.stack.ctl.run("route", "set", peer.domain, "--via", f"127.0.0.1:{peer.auth_port}", "--user", peers.USER,
                               "--password_stdin", input=password + "\n")
            if password != peers.PASSWORD:
                self.submit([f"user@{peer.domain}"], mail("logged in"))
                deferred = self.stack.stored.process.wait_for_event("recipient_deferred", to=f"user@{peer.domain}", code=535)
                self.assertEqual("4", deferred["status"][0])
        [raw] = self.fetch(f"user@{peer.domain}", 1)
        self.assertIn(b"Subject: logged in", raw)
        self.set_route(self.stack, peer)

    def test_a_refusal_is_told_with_their_words(self):
        self.submit([f"refused@{peer.domain}" for peer in self.peers], mail("refused"))
        told = self.by_peer(self.notices(len(self.peers)))
        for peer in self.peers:
            with self.subTest(peer.name):
                words, _, recipient, _ = told[peer.domain]
                text = f"no such user at {peer.name}"
                self.assertIn(text, " ".join(words.split()))
                self.assertEqual(("failed", "5.1.1"), (recipient["Action"], recipient["Status"]))
                self.assertTrue(recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1 "), recipient)
                self.assertIn(text, recipient["Diagnostic-Code"])

    def test_what_is_for_later_comes_later(self):
        self.submit([f"later@{peer.domain}" for peer in self.peers], mail("later"))
        for peer in self.peers:
            self.stack.stored.process.wait_for_event("recipient_deferred", to=f"later@{peer.domain}")
            [message] = self.stack.ctl.json("queue", "list", "--destination", peer.domain)["messages"]
            [recipient] = message["recipients"]
            with self.subTest(peer.name):
                self.assertIn(recipient["reply_code"], (450, 451))
                self.assertEqual("4.7.1", recipient["reply_status"])
                self.assertIn("come back later", recipient["reply_text"])
            peer.accept_later()
        for peer in self.peers:
            [raw] = self.fetch(f"later@{peer.domain}", 1)
            self.assertIn(b"Subject: later", raw)

    def submit_with_dsn(self, name, subject):
        with self.stack.submission(self.user) as session:
            session.expect(250, f"MAIL FROM:<{self.user}> RET=HDRS ENVID=an+2Bid")
            for peer in self.peers:
                session.expect(250, f"RCPT TO:<{name}@{peer.domain}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@{peer.domain}")
            self.assertEqual(250, session.data(mail(subject)).code)

    def test_what_they_cannot_deliver_comes_back_from_them(self):
        # The one without DSN does not know of the envelope: it has been told of already.
        self.submit_with_dsn("nobody", "returned")
        told = self.notices(len(self.peers) + sum(not peer.has_dsn for peer in self.peers))
        relayed = [notice for notice in told if notice[2]["Action"] == "relayed"]
        told = self.by_peer([notice for notice in told if notice not in relayed])
        for peer in self.peers:
            with self.subTest(peer.name):
                _, message, recipient, raw = told[peer.domain]
                self.assertEqual("failed", recipient["Action"])
                self.assertIn(b"550 5.1.1 No such mailbox", raw)
                self.assertIn(b"Subject: returned", raw)
                self.assertIn(f"{peer.name.lower()}.peer.test", message["Reporting-MTA"])
        # NOTIFY, ENVID and ORCPT have been passed on.
        _, message, recipient, _ = told["postfix.test"]
        self.assertEqual("an+id", message["Original-Envelope-Id"])
        self.assertEqual("rfc822;first@postfix.test", recipient["Original-Recipient"].replace(" ", ""))

    def test_who_does_not_pass_delivery_status_on_is_told_of(self):
        self.submit_with_dsn("noticed", "noticed")
        for peer in self.peers:
            self.fetch(f"noticed@{peer.domain}", 1)
        relayed = {f"mx.example.test noticed@{peer.domain}" for peer in self.peers if not peer.has_dsn}
        told = {}

        def look():
            for _, message, recipient, _ in self.notices(0, at_least=True):
                reporter = message["Reporting-MTA"].partition(";")[2].strip()
                told[f"{reporter} {recipient['Final-Recipient'].partition(';')[2].strip()}"] = (message, recipient)
            return relayed <= set(told)
        wait_until(look, WAIT, "those who cannot pass it on")
        for name, (message, recipient) in told.items():
            action = "relayed" if name in relayed else "delivered"
            self.assertEqual(action, recipient["Action"], name)
            self.assertEqual("an+id", message["Original-Envelope-Id"])
            self.assertEqual(f"rfc822;first@{name.partition('@')[2]}", recipient["Original-Recipient"].replace(" ", ""))

    def test_never_is_kept_to(self):
        with self.stack.submission(self.user) as session:
            session.expect(250, f"MAIL FROM:<{self.user}>")
            for peer in self.peers:
                session.expect(250, f"RCPT TO:<refused@{peer.domain}> NOTIFY=NEVER")
            self.assertEqual(250, session.data(mail("silent")).code)
        wait_until(lambda: self.stack.ctl.json("queue", "stats").get("message_count", 0) in (0, "0"), WAIT, "an empty queue")
        self.assertEqual([], self.stack.fetch_all(self.user))


if __name__ == "__main__":
    unittest.main()
