"""DKIM: keys, their records, rotation, and signatures that others check."""

import itertools
import re
import subprocess
import threading
import unittest

from dkim.canonicalization import CanonicalizationPolicy

from mailstead import paths
from mailstead.mail_host import EXTENSIONS, Host
from mailstead.process import wait_until
from mailstead.signatures import TxtServer, by_dkimpy, by_opendkim, signatures
from mailstead.stack import StackCase

HEAD = (b"From: User <user@example.test>\r\nTo: friend@far.test\r\nSubject: hello\r\n"
        b"Date: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n")

# Messages as they are submitted. None of them may be changed on its way but for what is put in front.
CORPUS = {
    "plain": HEAD + b"\r\nbody\r\n",
    "empty body": HEAD + b"\r\n",
    "a body of empty lines": HEAD + b"\r\n\r\n\r\n\r\n",
    "no body": HEAD[:-2] + b"\r\n\r\n",
    "empty lines at the end": HEAD + b"\r\nbody\r\n\r\n\r\n",
    "blanks at the ends": HEAD + b"\r\n a \t b\t\r\n \t \r\nc  \r\n\t\r\n\r\n",
    "no line end at the end": HEAD + b"\r\nthe last line",
    "dots": HEAD + b"\r\n.\r\n..\r\n...a\r\n.b\r\n",
    "eight bits": HEAD + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                  b"Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\xc3\xb6\xc3\xbc \xff\xfe \xa0\r\n",
    "long lines": HEAD + b"\r\n" + b"x" * 998 + b"\r\n" + b"y z " * 249 + b"\r\n",
    "folded": HEAD.replace(b"Subject: hello", b"Subject:\r\n  a  folded\r\n\tsubject \t of\r\n \r\n\tlines ") +
              b"List-Unsubscribe: <mailto:a@b.test>,\r\n\t<https://b.test/>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
              b"\r\nbody\r\n",
    "doubled": HEAD + b"To: second@far.test\r\nSubject: another\r\nto: third@far.test\r\nReceived: from x by y\r\n\r\nbody\r\n",
    "odd names": HEAD.replace(b"Subject:", b"SUBJECT:") + b"cc:nobody@far.test\r\nX-Empty:\r\nReply-To:  \r\n\r\nbody\r\n",
    "many recipients": HEAD.replace(b"To: friend@far.test",
                                    b"To: " + b",\r\n\t".join(b"someone%d@far.test" % i for i in range(1000))) + b"\r\nx\r\n",
    "large": HEAD + b"\r\n" + b"0123456789 \t abcdef\r\n" * 20_000 + b"\r\n" * 5_000,
    "signed before": b"DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=x; h=from; bh=AAAA; b=AAAA\r\n" + HEAD + b"\r\nbody\r\n",
}


class DkimCase(StackCase):

    def start(self, relay=True, **stored_flags):
        self.dns = TxtServer(self)
        self.stack = self.new_stack()
        self.stack.add_stored(retry_schedule="1s", secrets_key_file=self.stack.folder / "secrets.key", **stored_flags)
        self.stack.add_smtpd()
        [self.user] = self.stack.add_accounts("user")
        self.host = Host(self)
        self.route(self.host)
        if relay:
            self.relay = self.add_relay()

    def add_relay(self):
        return self.stack.add_relay(dns_servers=f"127.0.0.1:{self.dns.port}")

    def route(self, host):
        self.stack.ctl.run("route", "set", "default", "--via", f"127.0.0.1:{host.port}")

    def create(self, *options, domain="example.test"):
        return self.stack.ctl.json("dkim", "create", domain, *options)

    def keys(self, domain="example.test"):
        return self.stack.ctl.json("dkim", "list", domain).get("keys", [])

    def states(self, domain="example.test"):
        return {key["selector"]: key["state"].removeprefix("STATE_").lower() for key in self.keys(domain)}

    def await_state(self, selector, state):
        wait_until(lambda: self.states().get(selector) == state, 30, f"{selector} to be {state}", interval=0.05)

    def create_published(self, *options):
        key = self.create(*options)
        self.dns.publish(key)
        self.await_state(key["selector"], "active")
        return key

    def submit(self, mail, recipient="friend@far.test", options="BODY=8BITMIME"):
        with self.stack.submission(self.user) as session:
            session.deliver(self.user, recipient, mail, options)

    def take(self, count=1, host=None):
        """What the host got, oldest first; it has nothing then."""
        host = host or self.host
        wait_until(lambda: len(host.messages) >= count, 30, f"{count} messages", interval=0.02)
        with host.lock:
            self.assertEqual(count, len(host.messages))
            taken, host.messages[:] = list(host.messages), []
        return taken

    def assert_signed(self, content, *signers):
        """By these, from the top down: each a selector of example.test."""
        published = self.dns.published()
        self.assertEqual(list(signers), [tags["s"] for tags in signatures(content)][:len(signers)], content[:2000])
        self.assertEqual([True] * len(signers), by_dkimpy(content, published)[:len(signers)], content[:4000])


class SignatureTest(DkimCase):

    def test_others_verify_what_we_sign(self):
        self.start()
        rsa = self.create_published()
        ed25519 = self.create_published("--type", "ed25519", "--selector", "ed")
        self.assertEqual("v=DKIM1; k=rsa; p=", rsa["record"]["value"][:18])
        got = []
        for name, mail in CORPUS.items():
            self.submit(mail)
            [message] = self.take()
            content = message["content"]
            with self.subTest(name):
                self.assertTrue(content.endswith(mail) or content.endswith(mail + b"\r\n"), content[-200:])
                self.assertTrue(content.startswith(b"DKIM-Signature: "))
                self.assert_signed(content, rsa["selector"], ed25519["selector"])
                # Of the last transaction of its connection.
                size = re.findall(r"MAIL FROM:<.*?> SIZE=(\d+)", "\n".join(message["lines"]))[-1]
                self.assertEqual(len(content), int(size))
                self.assertLessEqual(max(map(len, content.partition(b"\r\n\r\n")[0].split(b"\r\n")[:30])), 998)
                names = signatures(content)[0]["h"].split(":")
                header = content.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
                for field in ("from", "to", "subject", "date", "cc", "reply-to"):
                    # Named once more than it is there.
                    there = len(re.findall(rf"(?m)^{field}[ \t]*:", header))
                    self.assertEqual(there + 1, names.count(field), field)
            got.append((name, content))
        published = self.dns.published()
        for (name, content), said in zip(got, by_opendkim([content for _, content in got], published)):
            # It reads the first signatures of a message, and knows no message without the line end that ours has.
            with self.subTest(name, by="opendkim"):
                self.assertRegex(said, "verification .*succeeded", said)
                self.assertNotRegex(said, "failed|bad signature", said)

    def test_a_changed_message_does_not_verify(self):
        """So that what the verifiers say means something."""
        self.start()
        self.create_published("--type", "ed25519")
        self.submit(CORPUS["plain"])
        content = self.take()[0]["content"]
        published = self.dns.published()
        self.assertEqual([True], by_dkimpy(content, published))
        for changed in (content.replace(b"body", b"Body"), content.replace(b"Subject: hello", b"Subject: hallo"),
                        content.replace(b"Subject:", b"Subject: more\r\nSubject:"), content.replace(b"To:", b"Cc: x@y.test\r\nTo:"),
                        content.replace(b"From:", b"From: x@y.test\r\nFrom:")):
            self.assertEqual([False], by_dkimpy(changed, published), changed[-300:])
        self.assertEqual([False], by_dkimpy(content, {name: text.replace("p=", "p=AA") for name, text in published.items()}))
        # What hosts on the way may do.
        for allowed in (b"Received: from a by b\r\n" + content, content.replace(b"body\r\n", b"body  \r\n\r\n"),
                        content.replace(b"Subject: hello", b"subject:   hello ")):
            self.assertEqual([True], by_dkimpy(allowed, published), allowed[-300:])

    def test_every_way_a_message_goes(self):
        """Octets are the same by BDAT, by DATA, without pipelining and over a host that took some recipients only."""
        self.start()
        self.create_published()
        mail = CORPUS["dots"]
        ways = {
            "bdat": Host(self, extensions=(*EXTENSIONS, "CHUNKING")),
            "plain": Host(self, extensions=()),
            "helo": Host(self, EHLO="502 5.5.1 what?"),
            "later": Host(self, MAIL=lambda session, said=itertools.count(): "451 4.3.0 later" if next(said) == 0 else "250 ok"),
        }
        for name, host in ways.items():
            with self.subTest(name):
                self.route(host)
                self.submit(mail, options="")
                [message] = self.take(host=host)
                self.assert_signed(message["content"], self.keys()[0]["selector"])
                self.assertEqual(name == "bdat", any(line.startswith("BDAT") for line in message["lines"]))

    def test_one_signature_for_all_who_get_a_message(self):
        self.start()
        self.create_published()
        with self.stack.submission(self.user) as session:
            session.deliver(self.user, [f"u@d{number}.test" for number in range(20)], CORPUS["plain"])
        got = {message["content"] for message in self.take(20)}
        self.assertEqual(1, len(got), "their signatures differ")

    def test_what_is_signed_and_what_is_not(self):
        self.start(hostname="mx.example.test")
        self.stack.ctl.add_domain("other.test")
        self.stack.ctl.add_domain("sub.example.test")
        key = self.create_published("--type", "ed25519")
        ctl = self.stack.ctl
        ctl.run("alias", "add", "away@example.test", "friend@far.test")

        def deliver(sender_in_header, name):
            ctl.run("deliver", "-", "--from", "x@example.test", "--to", "friend@far.test",
                    input=f"From: {sender_in_header}\r\nSubject: {name}\r\n\r\nbody\r\n")
        # By the API.
        deliver("user@example.test", "by the API")
        self.assert_signed(self.take()[0]["content"], key["selector"])
        for author in ("u@other.test", "u@sub.example.test", "u@elsewhere.test", "nobody"):
            deliver(author, "not ours")
            self.assertEqual([], signatures(self.take()[0]["content"]), author)
        # What strangers send in our name, or in theirs, goes on as it came.
        for author in (b"user@example.test", b"u@elsewhere.test"):
            self.stack.send("away@example.test", b"From: " + author + b"\r\nSubject: forwarded\r\n\r\nbody\r\n",
                            sender="user@notice")
            self.assertEqual([], signatures(self.take()[0]["content"]), author)
        # Two fields say who wrote it: nobody vouches for that.
        ctl.run("deliver", "-", "--from", "x@example.test", "--to", "friend@far.test",
                input="From: user@example.test\r\nFrom: u@elsewhere.test\r\n\r\nbody\r\n")
        self.assertEqual([], signatures(self.take()[0]["content"]))
        # A notice, of our host's name below the domain.
        self.host.become(RCPT=lambda session: "550 5.1.1 no" if "gone@" in session.line else "250 2.1.5 ok")
        ctl.run("deliver", "-", "--from", "writer@elsewhere.test", "--to", "gone@far.test", input="From: a@b.test\r\n\r\nx\r\n")
        [notice] = self.take()
        self.assertEqual(("", ["writer@elsewhere.test"]), (notice["from"], notice["to"]))
        self.assert_signed(notice["content"], key["selector"])
        self.assertEqual("example.test", signatures(notice["content"])[0]["d"])
        metrics = self.stack.stored.metrics()
        self.assertGreaterEqual(sum(value for name, value in metrics.items()
                                    if "dkim_messages_total" in str(name) and "signed" in str(name)), 2)


class KeyTest(DkimCase):

    def test_a_key_signs_only_once_it_is_published(self):
        self.start()
        key = self.create("--type", "ed25519")
        name, text = key["record"]["name"], key["record"]["value"]
        self.assertEqual("STATE_PENDING", key["state"])

        def await_sighting(sighting):
            wait_until(lambda: self.keys()[0].get("sighting") == f"SIGHTING_{sighting}", 30, sighting, interval=0.05)
        await_sighting("MISSING")
        self.submit(CORPUS["plain"])
        self.assertEqual([], signatures(self.take()[0]["content"]))
        for sighting, texts in (("DIFFERENT", [text[:-8] + "AAAAAAA="]), ("SEVERAL", [text, "v=spf1 -all"]),
                                ("DIFFERENT", ["v=DKIM1; k=ed25519; p="]), ("SEVERAL", [text, text[:-8] + "AAAAAAA="])):
            self.dns.put(name, *texts)
            await_sighting(sighting)
            self.assertIn("record", self.stack.ctl.run("dkim", "list").decode())
        self.dns.put(name, text + "; t=s; s=email")
        self.await_state(key["selector"], "active")
        self.submit(CORPUS["plain"])
        self.assert_signed(self.take()[0]["content"], key["selector"])
        [event] = self.stack.stored.process.events(event="dkim_key_activated")
        self.assertEqual(("example.test", key["selector"]), (event["domain"], event["selector"]))

    def test_keys_rotated_under_load(self):
        """No message is unsigned, and none is signed with a key that is not in the DNS at that moment."""
        self.start()
        first = self.create_published()
        seen = []

        def note(session):
            # At the moment at which the host gets it.
            seen.append(self.dns.published())
            return "250 2.0.0 taken"
        self.host.become(dot=note)
        stop = threading.Event()
        sent = itertools.count()

        def send():
            with self.stack.submission(self.user) as session:
                while not stop.is_set():
                    session.deliver(self.user, f"u{next(sent)}@far.test", CORPUS["plain"])
        threads = [threading.Thread(target=send) for _ in range(2)]
        for thread in threads:
            thread.start()
        old = first
        used = [first["selector"]]
        try:
            for _ in range(3):
                [new] = self.stack.ctl.json("dkim", "rotate", "example.test")["keys"]
                self.assertEqual([new["selector"]],
                                 [key["selector"] for key in self.stack.ctl.json("dkim", "rotate", "example.test")["keys"]])
                before = len(self.host.messages)
                wait_until(lambda: len(self.host.messages) > before + 3, 30, "mail while the key is not published")
                self.assertEqual("pending", self.states()[new["selector"]])
                self.dns.publish(new)
                self.await_state(new["selector"], "active")
                self.assertEqual("retired", self.states()[old["selector"]])
                before = len(self.host.messages)
                wait_until(lambda: len(self.host.messages) > before + 3, 30, "mail with the new key")
                used.append(new["selector"])
                old = new
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        count = next(sent)
        wait_until(lambda: len(self.host.messages) == count, 60, f"{count} messages")
        published = self.dns.published()
        signers = set()
        for message in self.host.messages:
            [tags] = signatures(message["content"])
            signers.add(tags["s"])
            self.assertEqual([True], by_dkimpy(message["content"], published))
        self.assertEqual(set(used), signers)
        # None was ahead of its record: of each key's first message the record was there before.
        for message, records in zip(self.host.messages, seen):
            [tags] = signatures(message["content"])
            self.assertIn(f"{tags['s']}._domainkey.example.test", records)
        listed = self.stack.ctl.run("dkim", "list", "example.test").decode()
        self.assertEqual(3, listed.count("retired; its record may go from 20"), listed)

    def test_a_store_that_lost_its_secrets_key_holds_the_mail(self):
        self.start(relay=False)
        self.create("--activate")
        self.stack.stored.terminate()
        key_file = self.stack.folder / "secrets.key"
        kept = key_file.read_bytes()
        key_file.unlink()
        self.stack.stored.restart()
        self.add_relay()
        self.submit(CORPUS["plain"])
        wait_until(lambda: self.stack.stored.process.events(event="recipient_deferred"), 30, "a deferral")
        [recipient] = self.stack.ctl.json("queue", "list")["messages"][0]["recipients"]
        self.assertEqual("4.7.0", recipient["reply_status"])
        self.assertIn("could not be signed", recipient["reply_text"])
        self.assertIn("--secrets_key_file", recipient["reply_text"])
        self.assertTrue(self.stack.stored.process.events(event="dkim_key_unusable"))
        self.assertEqual([], self.host.messages)
        self.stack.stored.terminate()
        key_file.write_bytes(kept)
        self.stack.stored.restart()
        self.dns.publish(*self.keys())
        self.assert_signed(self.take()[0]["content"], self.keys()[0]["selector"])

    def test_commands(self):
        self.start(relay=False)
        ctl = self.stack.ctl
        text = ctl.run("dkim", "create", "example.test", "--selector", "one", "--bits", "4096").decode()
        self.assertIn("one._domainkey.example.test. IN TXT \"v=DKIM1; k=rsa; p=", text)
        for string in re.findall(r'"(.*?)"', text):
            self.assertLessEqual(len(string), 255)
        self.assertEqual("".join(re.findall(r'"(.*?)"', text)), self.keys()[0]["record"]["value"])
        for arguments, status, words in (
                (("create", "example.test", "--selector", "ONE"), 4, "has a key one"),
                (("create", "none.test"), 3, "no domain none.test"),
                (("create", "example.test", "--bits", "1024"), None, "2048, 3072 or 4096"),
                (("create", "example.test", "--bits", "0"), 2, "2048, 3072 or 4096"),
                (("create", "example.test", "--type", "dsa"), 2, "--type"),
                (("create", "example.test", "--selector", "a b"), None, "must be 1 to 63"),
                (("rotate", "example.test"), None, "no key that signs"),
                (("remove", "example.test", "two"), 3, "has no key two"),
                (("activate", "example.test", "two"), 3, "has no key two")):
            done = ctl.raw("dkim", *arguments)
            self.assertNotEqual(0, done.returncode, arguments)
            if status is not None:
                self.assertEqual(status, done.returncode, (arguments, done.stderr))
            self.assertIn(words, done.stderr.decode(), arguments)
        ctl.run("dkim", "activate", "example.test", "one")
        self.assertNotEqual(0, ctl.raw("dkim", "remove", "example.test", "one").returncode)
        ctl.run("dkim", "remove", "example.test", "one", "--force")
        self.assertEqual("no keys: mail goes out unsigned\n", ctl.run("dkim", "list").decode())
        self.assertTrue([line for line in self.stack.stored.process.events(event="audit")
                         if line["action"].endswith("CreateDkimKey") and "one of example.test" in line["target"]])
        # Without a key file keys cannot be kept.
        other = self.new_stack()
        other.add_stored()
        other.ctl.add_domain("example.test")
        self.assertIn("--secrets_key_file", other.ctl.raw("dkim", "create", "example.test").stderr.decode())

    def test_a_dns_that_does_not_answer_is_told(self):
        self.start()
        self.dns.silent = True
        key = self.create("--type", "ed25519")
        self.dns.publish(key)
        wait_until(lambda: self.keys()[0].get("sighting") == "SIGHTING_FAILED", 60, "a look in vain")
        self.dns.silent = False
        self.await_state(key["selector"], "active")


class CanonicalTest(unittest.TestCase):

    def test_every_form_is_that_of_others(self):
        for (name, mail), header, body in itertools.product(CORPUS.items(), ("simple", "relaxed"), ("simple", "relaxed")):
            with self.subTest(name, header=header, body=body):
                if not mail.endswith(b"\r\n"):
                    mail += b"\r\n"
                ours = subprocess.run([paths.program("dkim_canonical"), header, body], input=mail, capture_output=True,
                                      check=True).stdout
                policy = CanonicalizationPolicy.from_c_value(f"{header}/{body}".encode())
                head, _, text = mail.partition(b"\r\n\r\n")
                fields = re.findall(rb"([^:\r\n]+):((?:.*?\r\n)(?:[ \t].*?\r\n)*)", head + b"\r\n")
                theirs = b"".join(b":".join(field) for field in policy.canonicalize_headers(fields))
                self.assertEqual(theirs + b"\r\n" + policy.canonicalize_body(text), ours)


if __name__ == "__main__":
    unittest.main()
