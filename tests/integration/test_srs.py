"""Mail that an alias leads to another host, under a sender made by SRS, and what comes back for it: by the real programs, and
beside postsrsd, which reads what we write and writes what we read."""

import base64
import email
import hashlib
import hmac
import re
import socket
import subprocess
import time
import unittest

from mailstead.mail_host import Host
from mailstead.ports import free_ports
from mailstead.process import wait_until
from mailstead.stack import DOMAIN, StackCase

SECRET = "a-secret-of-both-servers"
SRS = "srs.example.test"
STRANGER = "ann@stranger.test"
MAIL = (b"From: ann@stranger.test\r\nTo: team@example.test\r\nSubject: hello\r\n"
        b"Date: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@stranger.test>\r\n\r\nthe body\r\n")
# What mailctl ends with.
NOT_FOUND = 3
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def srs0(sender, days_ago=0, secret=SECRET, at=SRS, length=4):
    """Written here a third time, for days that have gone."""
    local, domain = sender.rsplit("@", 1)
    day = (int(time.time()) // 86400 - days_ago) % 1024
    stamp = BASE32[day >> 5] + BASE32[day & 31]
    mac = hmac.new(secret.encode(), (stamp + domain + local).lower().encode(), hashlib.sha1).digest()
    return f"SRS0={base64.b64encode(mac).decode()[:length]}={stamp}={domain}={local}@{at}"


class Postsrsd:
    """postsrsd with our secret: Postfix asks it by TCP."""

    def __init__(self, case, folder, domain=SRS, secret=SECRET):
        (folder / "postsrsd.secret").write_text(secret + "\n")
        self.there, self.back = free_ports(2)
        self.process = subprocess.Popen(
            ["postsrsd", "-s", str(folder / "postsrsd.secret"), "-d", domain, "-l", "127.0.0.1", "-f", str(self.there),
             "-r", str(self.back), "-n", "4", "-N", "4"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        case.addCleanup(self.stop)
        wait_until(lambda: self._answers(self.back) and self._answers(self.there), 30, "postsrsd")

    @staticmethod
    def _answers(port):
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return True
        except OSError:
            return False

    @staticmethod
    def _ask(port, address):
        with socket.create_connection(("127.0.0.1", port), 30) as asked:
            asked.sendall(f"get {address}\n".encode())
            code, text = asked.makefile("r").readline().rstrip("\n").split(" ", 1)
        return text if code == "200" else None

    def rewrite(self, address):
        return self._ask(self.there, address)

    def reverse(self, address):
        return self._ask(self.back, address)

    def stop(self):
        self.process.kill()
        self.process.wait()


class SrsTest(StackCase):

    def start(self, stack=None, srs_domain=SRS, **stored_flags):
        self.stack = stack or self.new_stack()
        self.stack.add_stored(**{"retry_schedule": "1s", "srs_domain": srs_domain,
                                 "secrets_key_file": self.stack.folder / "secrets.key", **stored_flags})
        self.stack.add_smtpd()
        self.stack.add_pop3d()
        [self.user] = self.stack.add_accounts("user")
        self.stack.add_relay()
        self.host = Host(self)
        self.route(self.host)
        return self.stack

    def ctl(self, *arguments, **options):
        return self.stack.ctl.run(*arguments, **options).decode()

    def route(self, host, destination="default"):
        self.ctl("route", "set", destination, "--via", f"127.0.0.1:{host.port}")

    def take_over(self, secret=SECRET, *more):
        self.ctl("srs", "rotate", "--secret_stdin", *more, input=secret + "\n")

    def alias(self, name, *targets):
        self.ctl("alias", "add", f"{name}@{DOMAIN}", *targets)

    def send(self, sender, recipient, mail=MAIL):
        """From another host, to port 25."""
        with self.stack.mx() as session:
            session.deliver(sender, [recipient], mail)

    def await_messages(self, count, host=None):
        host = host or self.host
        wait_until(lambda: len(host.messages) >= count, 30, f"{count} messages", interval=0.05)
        return host.messages[count - 1]

    def await_empty(self):
        wait_until(lambda: int(self.stack.ctl.json("queue", "stats")["message_count"]) == 0, 30, "an empty queue",
                   interval=0.05)

    def rcpt(self, recipient, sender=""):
        with self.stack.mx() as session:
            session.command(f"MAIL FROM:<{sender}>")
            return session.command(f"RCPT TO:<{recipient}>")

    def test_mail_is_sent_on_and_its_bounce_comes_back(self):
        self.start()
        self.alias("team", self.user, "member@far.test")
        self.send(STRANGER, f"team@{DOMAIN}")
        sent = self.await_messages(1)
        self.assertRegex(sent["from"], rf"^SRS0=....=..=stranger\.test=ann@{re.escape(SRS)}$")
        self.assertEqual(["member@far.test"], sent["to"])
        self.assertTrue(sent["content"].endswith(MAIL))
        # The copy here has the sender itself, as everything has that is told of it.
        [here] = self.stack.fetch_all(self.user)
        self.assertTrue(here.startswith(f"Return-Path: <{STRANGER}>\r\n".encode()), here[:200])
        # The far host sends a notice of failure, in small letters.
        self.send("", sent["from"].lower(), b"Subject: failed\r\n\r\nsorry\r\n")
        back = self.await_messages(2)
        self.assertEqual(("", [STRANGER]), (back["from"], back["to"]))
        self.await_empty()

    def test_what_needs_no_rewriting_keeps_its_sender(self):
        self.start()
        self.alias("team", "member@far.test")
        for number, sender in enumerate(("", f"other@{DOMAIN}", srs0(STRANGER)), start=1):
            self.send(sender, f"team@{DOMAIN}")
            self.assertEqual(sender, self.await_messages(number)["from"])
        with self.stack.submission(self.user) as session:
            session.deliver(self.user, [f"team@{DOMAIN}"], MAIL.replace(STRANGER.encode(), self.user.encode()))
        self.assertEqual(self.user, self.await_messages(4)["from"])

    def test_the_queue_and_notices_know_the_sender_itself(self):
        self.start()
        self.alias("team", "gone@far.test")
        self.host.become(RCPT=lambda session: "451 4.2.0 later" if "far.test" in session.line else "250 2.1.5 ok")
        self.send(STRANGER, f"team@{DOMAIN}")
        wait_until(lambda: self.host.envelopes >= 2, 30, "a second try")
        senders = {line for line in self.host.lines() if line.startswith("MAIL")}
        self.assertEqual(1, len({re.search("<.*?>", line)[0] for line in senders}), senders)
        self.assertIn("SRS0=", senders.pop())
        [queued] = self.stack.ctl.json("queue", "list")["messages"]
        self.assertEqual(STRANGER, queued["envelope"]["reverse_path"])
        self.host.become(RCPT=lambda session: "550 5.1.1 gone" if "far.test" in session.line else "250 2.1.5 ok")
        told = self.await_messages(1)
        self.assertEqual(("", [STRANGER]), (told["from"], told["to"]))
        self.assertIn(b"gone@far.test", told["content"])

    def test_what_was_not_made_here_or_too_long_ago_is_refused(self):
        self.start()
        self.take_over()
        good = srs0(STRANGER)
        for recipient, code, words in (
                (good, 250, "OK"),
                (good.lower(), 250, "OK"),
                (good.upper(), 250, "OK"),
                (srs0(STRANGER, days_ago=21), 250, "OK"),
                (srs0(STRANGER, days_ago=22), 550, "5.1.1 This address has expired"),
                (srs0(STRANGER, days_ago=400), 550, "5.1.1 This address has expired"),
                (srs0(STRANGER, secret="another secret of theirs"), 550, "5.7.1 This address was not made here"),
                (good.replace("ann@", "eve@"), 550, "5.7.1 This address was not made here"),
                (good.replace("stranger.test", "victim.test"), 550, "5.7.1 This address was not made here"),
                (f"SRS0=@{SRS}", 550, "5.7.1"),
                (f"SRS1=aaaa=first.test==bbbb=cc=victim.test=eve@{SRS}", 550, "5.7.1"),
                (srs0(STRANGER, length=3), 550, "5.7.1"),
                (srs0(STRANGER, at="elsewhere.test"), 550, "5.7.1 Relaying denied"),
                (srs0(STRANGER, at=DOMAIN), 550, "5.1.1 No such mailbox"),
                (f"anybody@{SRS}", 550, "5.1.1 No such mailbox"),
                (f"postmaster@{SRS}", 250, "OK")):
            # Whoever asks: hosts that look whether a sender exists have an address of their own.
            for sender in ("", "prober@far.test"):
                reply = self.rcpt(recipient, sender)
                self.assertEqual(code, reply.code, (recipient, reply))
                self.assertIn(words, str(reply), recipient)
        resolved = self.stack.ctl.raw("resolve", srs0(STRANGER, days_ago=30))
        self.assertEqual(NOT_FOUND, resolved.returncode, resolved)
        self.assertIn(b"made by SRS too long ago", resolved.stdout + resolved.stderr)

    def test_mail_that_comes_back_from_somebody_is_sent_on_like_any_other(self):
        self.start()
        self.take_over()
        self.send("auto@far.test", srs0(STRANGER))
        sent = self.await_messages(1)
        self.assertEqual([STRANGER], sent["to"])
        self.assertEqual(srs0("auto@far.test"), sent["from"])

    def test_a_long_sender_comes_back_too(self):
        self.start()
        self.alias("team", "member@far.test")
        sender = "bounces+1234567-0123-team=example.test@em1234.newsletters.test"
        self.send(sender, f"team@{DOMAIN}")
        sent = self.await_messages(1)
        self.assertLessEqual(sent["from"].index("@"), 64)
        self.assertNotIn("newsletters", sent["from"])
        self.stack.stored.kill()
        self.stack.stored.restart()
        self.send("", sent["from"].lower(), b"Subject: failed\r\n\r\n")
        self.assertEqual([sender], self.await_messages(2)["to"])

    def test_secrets_turn(self):
        self.start()
        self.alias("team", "member@far.test")
        self.send(STRANGER, f"team@{DOMAIN}")
        before = self.await_messages(1)["from"]
        self.ctl("srs", "rotate")
        self.send(STRANGER, f"team@{DOMAIN}")
        after = self.await_messages(2)["from"]
        self.assertNotEqual(before, after)
        self.stack.stored.kill()
        self.stack.stored.restart()
        for address in (before, after):
            self.assertEqual(250, self.rcpt(address).code)
            self.assertEqual(f"{STRANGER}\n", self.ctl("srs", "decode", address))
        listed = self.stack.ctl.json("srs", "list")
        self.assertEqual([("1", False), ("2", True)],
                         [(secret["number"], secret.get("signs", False)) for secret in listed["secrets"]])
        self.assertEqual((SRS, "21"), (listed["domain"], listed["lifetime_days"]))
        self.ctl("srs", "rotate", "--drop_old")
        for address in (before, after):
            self.assertEqual(550, self.rcpt(address).code)
            self.assertIn("forged", self.ctl("srs", "decode", address))
        audited = [line for line in self.stack.stored.process.events(event="audit")
                   if line["action"].endswith("RotateSrsSecret")]
        self.assertEqual(["srs secret 3, all older ones dropped"], [line["target"] for line in audited])

    def test_the_secret_is_nowhere_to_be_read(self):
        self.start()
        self.take_over()
        self.assertNotIn(SECRET, self.ctl("srs", "list") + self.ctl("srs", "list", "--json"))
        self.stack.stored.kill()
        for file in (self.stack.folder / "stored").rglob("*"):
            if file.is_file():
                self.assertNotIn(SECRET.encode(), file.read_bytes(), file)
        self.assertNotIn(SECRET, self.stack.stored.process.text())

    def test_beside_postsrsd(self):
        self.start()
        self.take_over()
        other = Postsrsd(self, self.stack.folder)
        self.alias("team", "member@far.test")
        senders = (STRANGER, "Ann.O'Neil+tag=x@stranger.test", "a-b-c@stranger.test",
                   "SRS0=HHHH=TT=first.test=ann@second.test", "SRS0+HHHH=TT=first.test=ann@second.test",
                   "SRS1=GGGG=second.test==HHHH=TT=first.test=ann@third.test",
                   "SRS1-GGGG=second.test=+HHHH=TT=first.test=ann@third.test")
        for number, sender in enumerate(senders, start=1):
            self.send(sender, f"team@{DOMAIN}")
            ours = self.await_messages(number)["from"]
            # Each writes the same, and reads what the other has written.
            self.assertEqual(other.rewrite(sender), ours)
            back = other.reverse(ours)
            self.assertEqual(f"{back}\n", self.ctl("srs", "decode", ours))
            for theirs in (ours.lower(), ours.upper()):
                self.assertEqual(250, self.rcpt(theirs).code, theirs)
            if not sender.startswith("SRS"):
                self.assertEqual(sender, back)
        # And neither what a third one has.
        forged = srs0(STRANGER, secret="another secret of theirs")
        self.assertIsNone(other.reverse(forged))
        self.assertEqual(550, self.rcpt(forged).code)

    def test_a_chain_of_two_that_send_on(self):
        self.start()
        first = self.stack
        first_host = self.host
        second = self.new_stack()
        self.start(stack=second, srs_domain="srs.second.test")
        # The alias of the first leads to the second, and that of the second far away.
        self.ctl("domain", "add", "second.test")
        self.ctl("alias", "add", "list@second.test", "member@far.test")
        far = self.host
        first.ctl.run("alias", "add", f"team@{DOMAIN}", "list@second.test")
        first.ctl.run("route", "set", "second.test", "--via", f"127.0.0.1:{second.smtpd.ports['mx']}")
        self.ctl("route", "set", SRS, "--via", f"127.0.0.1:{first.smtpd.ports['mx']}")
        with first.mx() as session:
            session.deliver(STRANGER, [f"team@{DOMAIN}"], MAIL)
        sent = self.await_messages(1, far)
        self.assertRegex(sent["from"], rf"^SRS1=....={re.escape(SRS)}==....=..=stranger\.test=ann@srs\.second\.test$")
        # Its bounce goes the same way back, and ends at the sender.
        with second.mx() as session:
            session.deliver("", [sent["from"]], b"Subject: failed\r\n\r\n")
        back = self.await_messages(1, first_host)
        self.assertEqual(("", [STRANGER]), (back["from"], back["to"]))

    def test_the_srs_domain_may_be_one_of_ours(self):
        self.start(srs_domain=DOMAIN)
        self.alias("team", "member@far.test")
        self.send(STRANGER, f"team@{DOMAIN}")
        sent = self.await_messages(1)
        self.assertTrue(sent["from"].endswith(f"=stranger.test=ann@{DOMAIN}"), sent["from"])
        self.send("", sent["from"])
        self.assertEqual([STRANGER], self.await_messages(2)["to"])
        self.assertEqual(250, self.rcpt(self.user).code)
        self.assertEqual(550, self.rcpt(f"nobody@{DOMAIN}").code)

    def test_a_loop_ends(self):
        self.start()
        self.alias("round", "about@second.test")
        self.ctl("route", "set", "second.test", "--via", f"127.0.0.1:{self.stack.smtpd.ports['mx']}")
        looped = b"Received: from a by b; Sat, 28 Nov 2026 10:00:00 +0000\r\n" * 101 + MAIL
        self.send(STRANGER, f"round@{DOMAIN}")
        # The host of second.test is ourselves, which know no such domain: what is told of it goes to the sender, once.
        told = self.await_messages(1)
        self.assertEqual(("", [STRANGER]), (told["from"], told["to"]))
        with self.stack.mx() as session:
            session.envelope(srs0(STRANGER), [f"round@{DOMAIN}"])
            self.assertEqual(554, session.data(looped).code)
        self.await_empty()


if __name__ == "__main__":
    unittest.main()
