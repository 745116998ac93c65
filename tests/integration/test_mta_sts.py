"""MTA-STS (RFC 8461): policies from a web server with the mistakes that there are, hosts that do not come up to them, and how
long a policy is held to. In a network of its own, for ports 443 and addresses that are not loopback."""

import os
import pathlib
import signal
import ssl
import subprocess
import tempfile
import time
import unittest

from mailstead import admin, own_network
from mailstead.certs import Authority
from mailstead.dns import Nsd, Unbound, Zones
from mailstead.policy_host import PolicyHost, policy, response
from mailstead.process import wait_until
from mailstead.stack import StackCase
from test_relay_network import Host

MAIL = b"From: user@example.test\r\nTo: friend@far.test\r\nSubject: hello\r\n\r\nwords\r\n"
MX_PORT = 2525
GOOD, PLAIN, STRANGER, OTHER, WEB, WEBD = (f"198.51.100.{number}" for number in range(11, 17))

# What a web server may say and be: its response, or its certificate, and whether the policy counts then.
ENFORCE = policy("enforce", "plain.sts.test")
PADDING = "x: " + "y" * 60_000


def padded(size):
    """The policy, made so long by an unknown field and empty lines."""
    text = ENFORCE + PADDING + "\r\n"
    return text + "\n" * (size - len(text))


def trickle(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10000\r\n\r\n")
    connection.settimeout(0.2)
    for _ in range(1000):
        connection.sendall(b"x")
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            pass


def endless(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        connection.sendall(b"x" * 10_000)


FETCHES = {
    "right": (response(ENFORCE), True),
    "parameters": (response(ENFORCE, content_type="text/plain; charset=utf-8"), True),
    "bare-lf": (response(ENFORCE.replace("\r", "")), True),
    "most": (response(padded(65536)), True),
    "large": (response(padded(65537)), False),
    "endless": (endless, False),
    "trickle": (trickle, False),
    "garbage": (response(bytes(range(256))), False),
    "html": (response("<html></html>", content_type="text/html"), False),
    "wrong-type": (response(ENFORCE, content_type="application/octet-stream"), False),
    "no-type": (response(ENFORCE, content_type=None), False),
    "missing": (response(ENFORCE, "404 Not Found"), False),
    "created": (response(ENFORCE, "201 Created"), False),
    "redirect": (response("", "301 Moved", fields=["Location: https://mta-sts.right.sts.test/.well-known/mta-sts.txt"]), False),
    "silent": (lambda connection: connection.recv(1), False),
    "closing": (lambda connection: None, False),
    "no-policy": (response(policy("enforce")), False),
    # By its certificate.
    "wrong-name": (response(ENFORCE), False),
    "untrusted": (response(ENFORCE), False),
    "expired": (response(ENFORCE), False),
}
# Where its name leads, or what its record is.
RECORDS = {
    "no-address": '@ IN TXT "x"',
    "loopback": "mta-sts IN A 127.0.0.1",
    "private": "mta-sts IN A 10.0.0.1",
    "two-records": f'mta-sts IN A {WEB}\n_mta-sts IN TXT "v=STSv1; id=2"',
}

# Hosts of a domain in the order of their preference, those that its policy names, and what becomes of mail under "enforce".
HOSTS = {
    "good": (["good"], ["good.sts.test"], "good"),
    "wildcard": (["good"], ["*.sts.test"], "good"),
    "second": (["plain", "good"], ["good.sts.test"], "good"),
    "worse-first": (["stranger", "good"], ["*.sts.test"], "good"),
    "no-match": (["good"], ["*.good.sts.test", "sts.test"], None),
    "no-starttls": (["plain"], ["*.sts.test"], None),
    "stranger": (["stranger"], ["*.sts.test"], None),
    "other-name": (["other"], ["*.sts.test"], None),
}


# Domains whose policy webd serves, which names the good host alone: their only host, the mode, and who takes their mail.
SERVED = {
    "good": ("good", "enforce", "good"),
    "bad": ("plain", "enforce", None),
    "testing": ("plain", "testing", "plain"),
    "none": ("plain", "none", "plain"),
    "off": ("plain", "off", "plain"),
}


def setUpModule():
    own_network.enter()
    for address in (GOOD, PLAIN, STRANGER, OTHER, WEB, WEBD, "198.51.100.1"):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)


def zone(hosts, records):
    text = "\n".join(f"@ IN MX {10 * number} {host}.sts.test." for number, host in enumerate(hosts, 1))
    return f'{text}\n_mta-sts 1 IN TXT "v=STSv1; id=1"\n{records}'


class MtaStsCase(StackCase):

    @classmethod
    def setUpClass(cls):
        cls.zones = Zones(cls)
        cls.zones.add("sts.test", f"good IN A {GOOD}\nplain IN A {PLAIN}\nstranger IN A {STRANGER}\nother IN A {OTHER}")
        for name in FETCHES:
            cls.zones.add(f"{name}.sts.test", zone(["plain"], f"mta-sts IN A {WEB}"))
        for name, records in RECORDS.items():
            cls.zones.add(f"{name}.sts.test", zone(["plain"], records))
        for mode in ("enforce", "testing"):
            for name, (hosts, _, _) in HOSTS.items():
                cls.zones.add(f"{name}.{mode}.test", zone(hosts, f"mta-sts IN A {WEB}"))
        cls.zones.add("change.test", zone(["plain"], f"mta-sts IN A {WEB}"))
        for name, (host, _, _) in SERVED.items():
            cls.zones.add(f"{name}.here.test", zone([host], f"mta-sts IN A {WEBD}"))
        cls.nsd = Nsd(cls, cls.zones)
        cls.dns = Unbound(cls, cls.zones, cls.nsd)
        folder = tempfile.TemporaryDirectory(prefix="mailstead-ca-")
        cls.addClassCleanup(folder.cleanup)
        cls.authority = Authority(pathlib.Path(folder.name) / "good")
        cls.stranger = Authority(pathlib.Path(folder.name) / "stranger")

    def context(self, *names, authority=None, days=30):
        cert, key = (authority or self.authority).issue(names[0], names[1:], (), days=days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context

    def start(self, **flags):
        self.stack = self.new_stack()
        self.stack.add_stored(retry_schedule="1h")
        self.stack.add_smtpd()
        [self.user] = self.stack.add_accounts("user")
        self.relays = []
        self.add_relay(**flags)
        self.hosts = {
            "good": Host(self, self.context("good.sts.test"), address=GOOD, port=MX_PORT),
            "plain": Host(self, address=PLAIN, port=MX_PORT),
            "stranger": Host(self, self.context("stranger.sts.test", authority=self.stranger), address=STRANGER, port=MX_PORT),
            "other": Host(self, self.context("good.sts.test"), address=OTHER, port=MX_PORT),
        }
        domains = [f"{name}.sts.test" for name in FETCHES] + [
            f"{name}.{mode}.test" for mode in ("enforce", "testing") for name in HOSTS] + ["change.test"]
        self.web = PolicyHost(self, self.context(*(f"mta-sts.{domain}" for domain in domains)), WEB, 443)

    def add_relay(self, **flags):
        self.relays.append(self.stack.add_relay(
            environment={"SSL_CERT_FILE": str(self.authority.cert), "https_proxy": "http://198.51.100.1:1"},
            delivery_port=MX_PORT, dns_servers=f"127.0.0.1:{self.dns.port}", hostname=f"relay{len(self.relays)}.example.test",
            **flags))

    def submit(self, *recipients):
        for recipient in recipients:
            with self.stack.submission(self.user) as session:
                session.deliver(self.user, [recipient], MAIL)

    def deferred(self):
        """Those of which an attempt was heard, by address."""
        recipients = [recipient for message in self.stack.ctl.json("queue", "list").get("messages", [])
                      for recipient in message["recipients"]]
        return {recipient["address"]: recipient for recipient in recipients if recipient.get("reply_time")}

    def taken(self):
        """{address: host}"""
        return {line.partition("<")[2].partition(">")[0]: name for name, host in self.hosts.items() for line in host.lines("RCPT")}

    def await_all(self, addresses, timeout=60):
        wait_until(lambda: set(addresses) == set(self.taken()) | set(self.deferred()), timeout, "all attempts", interval=0.1)

    def events(self, event):
        return [line for relay in self.relays for line in relay.process.events(event=event)]


class FetchTest(MtaStsCase):
    """Each domain's one host has no STARTTLS: mail goes there only where no policy counts."""

    def test_what_is_a_policy(self):
        self.start(delivery_timeout="4s")
        for name, (said, _) in FETCHES.items():
            self.web.responses[f"mta-sts.{name}.sts.test"] = said
        self.web.contexts["mta-sts.wrong-name.sts.test"] = self.context("wrong-name.sts.test")
        self.web.contexts["mta-sts.untrusted.sts.test"] = self.context("mta-sts.untrusted.sts.test", authority=self.stranger)
        self.web.contexts["mta-sts.expired.sts.test"] = self.context("mta-sts.expired.sts.test", days=-1)
        counts = {f"a@{name}.sts.test": counts for name, (_, counts) in FETCHES.items()}
        counts.update({f"a@{name}.sts.test": False for name in RECORDS})
        self.submit(*counts)
        # Those that are slow hold up no other.
        slow = {f"a@{name}.sts.test" for name in ("trickle", "silent")}
        self.await_all(set(counts) - slow if slow - set(self.taken()) else set(counts), 30)
        self.await_all(counts)
        self.assertEqual({address for address, counted in counts.items() if not counted}, set(self.taken()))
        waiting = self.deferred()
        self.assertEqual({address for address, counted in counts.items() if counted}, set(waiting))
        for recipient in waiting.values():
            self.assertIn("MTA-STS", recipient["reply_text"])
            self.assertTrue(recipient["reply_status"].startswith("4.7."), recipient)
        # No redirect was followed: each asks for its own, once.
        self.assertEqual([], [host for host in {host for host, _ in self.web.requests} if self.web.count(host) != 1])
        self.assertEqual({"GET /.well-known/mta-sts.txt HTTP/1.1"}, {line for _, line in self.web.requests})
        for fields in self.web.fields:
            self.assertFalse({"authorization", "cookie", "proxy-authorization"} & set(fields), fields)
        results = {line["domain"].partition(".")[0]: line["result"] for line in self.events("sts_not_fetched")}
        self.assertEqual("sts-webpki-invalid", results["wrong-name"])
        self.assertEqual("sts-webpki-invalid", results["untrusted"])
        self.assertEqual("sts-webpki-invalid", results["expired"])
        self.assertEqual("sts-policy-invalid", results["garbage"])
        self.assertEqual("sts-policy-fetch-error", results["redirect"])
        self.assertEqual("sts-policy-fetch-error", results["loopback"])
        self.assertNotIn("two-records", results)
        metrics = self.relays[0].metrics()
        self.assertEqual(sum(counted for _, counted in FETCHES.values()),
                         metrics[("mailstead_relay_sts_fetches_total", (("result", "fetched"),))])

    def test_off_it_is_not_looked_for(self):
        self.start(mta_sts="false")
        self.web.responses["mta-sts.right.sts.test"] = response(ENFORCE)
        self.submit("a@right.sts.test")
        self.await_all(["a@right.sts.test"])
        self.assertEqual({"a@right.sts.test": "plain"}, self.taken())
        self.assertEqual([], self.web.requests)


class HostsTest(MtaStsCase):

    def test_which_hosts_take_mail(self):
        self.start()
        expected = {}
        for name, (hosts, named, taken_by) in HOSTS.items():
            for mode in ("enforce", "testing"):
                self.web.responses[f"mta-sts.{name}.{mode}.test"] = response(policy(mode, *named))
                expected[f"a@{name}.{mode}.test"] = taken_by if mode == "enforce" else hosts[0]
        self.submit(*expected)
        self.await_all(expected)
        self.assertEqual({address: host for address, host in expected.items() if host}, self.taken())
        for address, recipient in self.deferred().items():
            self.assertIn("MTA-STS", recipient["reply_text"], address)
        # What was sent under "enforce" was sent under TLS.
        self.assertTrue(all(len(lines) > 1 for _, lines in self.hosts["good"].sessions))
        self.assertEqual({"no-match"}, {line["domain"].partition(".")[0] for line in self.events("sts_mismatch")
                                        if line["domain"] != "second.enforce.test" and line["domain"] != "second.testing.test"})
        hosts = admin.total(self.relays[0].metrics(), "mailstead_relay_sts_hosts_total", mode="testing", result="mismatch")
        self.assertGreaterEqual(hosts, 2)

    def test_a_route_to_named_hosts_is_the_operators_own(self):
        self.start()
        self.web.responses["mta-sts.no-starttls.enforce.test"] = response(policy("enforce", "*.sts.test"))
        self.stack.ctl.run("route", "set", "no-starttls.enforce.test", "--via", f"{PLAIN}:{MX_PORT}")
        self.submit("a@no-starttls.enforce.test")
        self.await_all(["a@no-starttls.enforce.test"])
        self.assertEqual({"a@no-starttls.enforce.test": "plain"}, self.taken())
        # A route without hosts takes nothing from what the domain asks for.
        self.stack.ctl.run("route", "set", "stranger.enforce.test", "--direct", "--tls", "none")
        self.web.responses["mta-sts.stranger.enforce.test"] = response(policy("enforce", "*.sts.test"))
        self.submit("a@stranger.enforce.test")
        wait_until(lambda: "a@stranger.enforce.test" in self.deferred(), 30, "a deferral")


class ServedTest(MtaStsCase):
    """What our own relay makes of the policies that our own webd serves."""

    def test_what_webd_serves_is_obeyed(self):
        self.start()
        here = self.new_stack()
        here.add_stored()
        for name, (_, mode, _) in SERVED.items():
            here.ctl.add_domain(f"{name}.here.test")
            here.ctl.run("domain", "set", f"{name}.here.test", f"--mta_sts={mode}")
        hosts = [f"mta-sts.{name}.here.test" for name in SERVED]
        cert, key = self.authority.issue(hosts[0], hosts[1:], ())
        webd = here.add_webd(listen="", tls_listen=f"{WEBD}:443", tls_cert=cert, tls_key=key, mta_sts_mx="good.sts.test")
        expected = {f"a@{name}.here.test": taken_by for name, (_, _, taken_by) in SERVED.items()}
        self.submit(*expected)
        self.await_all(expected)
        self.assertEqual({address: host for address, host in expected.items() if host}, self.taken())
        self.assertIn("MTA-STS", self.deferred()["a@bad.here.test"]["reply_text"])
        self.assertTrue(all(len(lines) > 1 for _, lines in self.hosts["good"].sessions))
        # Only where there is none nothing could be fetched.
        self.assertEqual({"off.here.test"}, {line["domain"] for line in self.events("sts_not_fetched")})
        metrics = webd.metrics()
        asked = {dict(labels)["code"]: count for (name, labels), count in metrics.items()
                 if name == "mailstead_http_calls_total" and dict(labels).get("method") == "/.well-known/mta-sts.txt"}
        self.assertEqual({"ok": len(SERVED) - 1, "not_found": 1}, asked)


class TimeTest(MtaStsCase):

    def set_record(self, text):
        file = self.zones.folder / "change.test.zone"
        lines = [f"_mta-sts 1 IN TXT {text}" if line.startswith("_mta-sts") else line for line in file.read_text().splitlines()]
        self.serial += 1
        lines = [line.replace(f"hostmaster.change.test. {self.serial - 1} ", f"hostmaster.change.test. {self.serial} ")
                 for line in lines]
        file.write_text("\n".join(lines) + "\n")
        os.kill(self.nsd.process.pid, signal.SIGHUP)

    def test_what_becomes_of_a_policy(self):
        self.serial = 1
        self.start()
        host = "mta-sts.change.test"
        self.web.responses[host] = response(policy("enforce", "good.sts.test"))
        self.submit("a@change.test")
        wait_until(lambda: "a@change.test" in self.deferred(), 30, "a deferral")
        self.assertIn("plain.sts.test", self.deferred()["a@change.test"]["reply_text"])
        # Another relay knows it from the store, and asks for nothing.
        self.add_relay()
        self.relays[0].process.terminate()
        self.submit("b@change.test")
        wait_until(lambda: "b@change.test" in self.deferred(), 30, "a deferral")
        self.assertEqual(1, self.web.count(host))
        # A policy that cannot be fetched anew: what was known holds.
        self.web.responses[host] = response("", "503 Service Unavailable")
        self.set_record('"v=STSv1; id=2"')
        self.await_fetch(2)
        self.submit("c@change.test")
        wait_until(lambda: "c@change.test" in self.deferred(), 30, "a deferral")
        self.assertEqual({}, self.taken())
        [failed] = [line for line in self.events("sts_not_fetched") if line["policy"] == "2"]
        self.assertEqual("true", failed["kept"])

    def await_fetch(self, count):
        """Tries what waits until the policy was asked for so often: the record is seen when what the DNS had said is old."""
        def fetched():
            self.stack.ctl.run("queue", "retry", "--all", "--yes")
            return self.web.count("mta-sts.change.test") >= count
        wait_until(fetched, 60, "a fetch", interval=0.5)

    def test_another_id_brings_another_policy(self):
        self.serial = 1
        self.start()
        self.web.responses["mta-sts.change.test"] = response(policy("enforce", "good.sts.test"))
        self.set_record('"v=STSv1; id=3"')
        self.submit("a@change.test")
        wait_until(lambda: "a@change.test" in self.deferred(), 30, "a deferral")
        self.web.responses["mta-sts.change.test"] = response(policy("testing", "good.sts.test"))
        self.set_record('"v=STSv1; id=4"')
        began = time.monotonic()
        self.await_fetch(2)
        wait_until(lambda: self.taken() == {"a@change.test": "plain"}, 30, "the mail")
        self.assertLess(time.monotonic() - began, 60)


if __name__ == "__main__":
    unittest.main()
