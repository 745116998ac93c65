"""docs/first-domain.md, step by step: its commands as they stand there, for a domain in a DNS of the test's own; and at the end a
mail to a host that takes nothing with which anything is wrong. In a network of its own, for the ports of mail."""

import email.utils
import json
import pathlib
import re
import shlex
import ssl
import subprocess
import tempfile
import unittest

import dkim
import dns.resolver
import dns.reversename
import spf

from mailstead import own_network
from mailstead.certs import Authority
from mailstead.dns import Nsd, Unbound, Zones
from mailstead.mail_host import Host
from mailstead.paths import REPOSITORY
from mailstead.policy_host import PolicyHost, response
from mailstead.process import wait_until
from mailstead.smtp import Smtp
from mailstead.stack import PASSWORD, StackCase

OURS, WEB, FAR = "198.51.100.41", "198.51.100.42", "198.51.100.43"
# As the page has it, and as it is here.
NAMES = {"example.org": "first.test", "192.0.2.1": OURS, "www": "web"}
MAIL = b"From: Ann <ann@first.test>\r\nTo: you@far.test\r\nSubject: hello\r\n\r\nHello!\r\n"


def setUpModule():
    own_network.enter()
    for address in (OURS, WEB, FAR):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)


def commands():
    """Of the page's blocks: {"domain add": [words of the command behind mailctl]}."""
    text = (REPOSITORY / "docs/first-domain.md").read_text()
    found = {}
    for block in re.findall(r"(?ms)^```\n(.*?)^```", text):
        for line in block.splitlines():
            for old, new in NAMES.items():
                line = line.replace(old, new)
            words = shlex.split(line)
            if words[0] == "mailctl":
                found.setdefault(" ".join(word for word in words[1:3] if re.fullmatch("[a-z]+", word)), []).append(words[1:])
    return found


class FirstDomainTest(StackCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="mailstead-first-domain-")
        self.addCleanup(folder.cleanup)
        self.authority = Authority(pathlib.Path(folder.name) / "ca")
        self.stack = self.new_stack(hostname="mx.first.test")
        self.stack.add_stored(secrets_key_file=self.stack.folder / "secrets.key", retry_schedule="1s")
        cert, key = self.authority.issue("mx.first.test", (), ())
        self.tls = dict(tls_cert=cert, tls_key=key)
        self.stack.add_smtpd(**self.tls, mx_listen=f"{OURS}:25", submission_listen=f"{OURS}:587",
                             submissions_listen=f"{OURS}:465")
        self.stack.add_pop3d(**self.tls, pop3_listen=f"{OURS}:110", pop3s_listen=f"{OURS}:995")

    def run_step(self, words, *more, input=None):
        done = self.stack.ctl.raw(*words, *more, input=input, environment={"SSL_CERT_FILE": str(self.authority.cert)})
        self.assertEqual(0, done.returncode, f"{words}: {done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def publish(self, records):
        zones = Zones(type(self))
        zones.add("first.test", f"web IN A {WEB}\n{records}")
        zones.add("far.test", f"@ IN MX 10 mx\nmx IN A {FAR}")
        zones.add("100.51.198.in-addr.arpa", "41 IN PTR mx.first.test.")
        return Unbound(type(self), zones, Nsd(type(self), zones))

    def serve_policy(self, text):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("mta-sts.first.test", (), ()))
        PolicyHost(self, context, WEB, 443).responses["mta-sts.first.test"] = response(text)

    def assert_strict(self, resolver, session, content):
        """What a strict receiver looks at."""
        def ask(name, kind):
            return [record.to_text() for record in resolver.resolve(name, kind)]
        [name] = ask(dns.reversename.from_address(OURS), "PTR")
        self.assertEqual([OURS], ask(name, "A"))
        lines = session["lines"]
        self.assertIn(f"EHLO {name.rstrip('.')}", lines)
        self.assertIn("STARTTLS", lines)
        [sender] = [re.match(r"MAIL FROM:<(.*?)>", line)[1] for line in lines if line.startswith("MAIL")]
        verdict, _, why = spf.query(OURS, sender, "mx.first.test").check()
        self.assertEqual("pass", verdict, why)

        def txt(name, timeout=5):
            return b"".join(resolver.resolve(name.decode(), "TXT")[0].strings)
        fields = re.findall(rb"(?m)^DKIM-Signature:", content)
        self.assertEqual(2, len(fields), content)
        for index in range(2):
            self.assertTrue(dkim.DKIM(content).verify(idx=index, dnsfunc=txt), content)
        # RFC 9989: both are of the author's domain.
        author = email.utils.parseaddr(email.message_from_bytes(content)["From"])[1].partition("@")[2]
        self.assertEqual(author, sender.partition("@")[2])
        self.assertEqual({author.encode()}, set(re.findall(rb"(?m)[; \t]d=([^;\s]+)", content)))
        self.assertRegex("".join(ask(f"_dmarc.{author}", "TXT")), "v=DMARC1; *p=none")

    def test_the_page(self):
        steps = commands()
        self.run_step(steps["domain add"][0])
        self.run_step(steps["account add"][0], "--password_stdin", input=PASSWORD + "\n")
        # As scripts/run and docker-compose.yml begin: nothing leaves.
        self.stack.ctl.run("route", "set", "default", "--to", "ann@first.test")
        for words in steps["dkim create"]:
            self.run_step(words)
        zone = self.run_step(steps["domain dns"][0])
        told = json.loads(self.run_step(steps["domain dns"][0], "--json"))
        self.serve_policy(told["mta_sts_policy"]["text"])
        unbound = self.publish(zone)
        servers = f"127.0.0.1:{unbound.port}"
        self.stack.add_relay(**self.tls, dns_servers=servers, delivery_allow_networks="198.51.100.0/24",
                             environment={"SSL_CERT_FILE": str(self.authority.cert)})

        def states():
            return [key["state"] for key in self.stack.ctl.json("dkim", "list", "first.test")["keys"]]
        wait_until(lambda: states() == ["STATE_ACTIVE", "STATE_ACTIVE"], 60, "both keys to sign")
        checked = json.loads(self.run_step(steps["domain check"][0], "--dns_servers", servers, "--json"))
        self.assertEqual([], [line for line in checked["checks"] if line["level"] == "error"])
        self.run_step(steps["doctor"][0], "--dns_servers", servers)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("mx.far.test", (), ()))
        far = Host(self, tls=context, address=FAR, port=25)
        self.submit()
        # Until it is let out it stays.
        wait_until(lambda: self.stack.ctl.json("message", "list", "ann@first.test")["messages"], 30, "the mail in the trap")
        self.assertEqual([], far.messages)
        self.run_step(steps["route remove"][0])
        self.submit()
        wait_until(lambda: far.messages, 30, "the mail")
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], unbound.port
        dns.resolver.default_resolver = resolver
        self.assert_strict(resolver, far.messages[0], far.messages[0]["content"])

    def submit(self):
        with Smtp(587, host=OURS, tls="starttls", context=self.authority.client_context(),
                  server_name="mx.first.test") as session:
            self.assertEqual(235, session.login("ann@first.test", PASSWORD).code)
            session.deliver("ann@first.test", "you@far.test", MAIL)


if __name__ == "__main__":
    unittest.main()
