"""DANE (RFC 7672) from the zone to the handshake: nsd with signed zones, unbound that validates them, and hosts with all sorts of
certificates. What the mail got is in the log, what it waits for in the queue."""

import re
import struct
import subprocess
import unittest

from mailstead import admin, dns, mail_host, own_network
from mailstead.certs import Authority, server_context, tlsa
from mailstead.dns import Forwarder, Nsd, Unbound, Zones
from mailstead.mail_host import Host
from mailstead.ports import free_port
from mailstead.process import wait_until
from mailstead.sending import WAIT, SendingCase

MAIL = b"From: user@example.test\r\nTo: friend@far.test\r\nSubject: hello\r\n\r\nwords\r\n"
NOTHING = None
# A record of the right form that is for nobody.
STRANGERS = "3 1 1 " + "ab" * 32
TLSA = 52


def setUpModule():
    # For port 53, where other programs ask.
    own_network.enter()


class Certificates:
    """Of an authority that the relay trusts for nothing, one below it, and what they have issued."""

    def __init__(self, folder):
        self.root = Authority(folder / "root")
        self.middle = self.root.below(folder / "middle")

    def of(self, name, days=30, above=("middle",)):
        """(the certificate's file, its server's context)."""
        cert, key = self.middle.issue(name, names=(), days=days)
        return cert, server_context(cert, key, *(getattr(self, part).cert for part in above))


class Row:
    """A domain, d<number>.signed.test, whose host, mx.d<number>.signed.test, has this certificate and these records."""

    def __init__(self, what, expected, *, records=(), cert="mx.{domain}", days=30, above=("middle",), tls=True, zone="",
                 host=None, **replies):
        self.what = what
        # (policy, by what it was verified) of mail that was sent; (status, words) of mail that waits.
        self.expected = expected
        # Functions of (certificates, the host's certificate), or text.
        self.records = records
        self.cert = cert
        self.days = days
        self.above = above
        self.tls = tls
        # Beside, or in the place of, MX and address.
        self.zone = zone
        self.host = host
        self.replies = replies


def own(*which):
    return lambda certificates, cert: tlsa(cert, *which)


def of_root(*which):
    return lambda certificates, cert: tlsa(certificates.root.cert, *which)


def of_middle(*which):
    return lambda certificates, cert: tlsa(certificates.middle.cert, *which)


def by(record):
    return ("dane", f"TLSA {record}")


UNUSABLE = ("dane_unusable", "no")
NOBODY = ("opportunistic", "no")
NO_MATCH = ("4.7.5", "no matching DANE TLSA records")
NOT_FOUND = ("4.7.5", "DNSSEC signatures are not valid")

ROWS = [
    Row("3 1 1", by("3 1 1"), records=[own(3, 1, 1)]),
    Row("3 1 2", by("3 1 2"), records=[own(3, 1, 2)]),
    Row("3 0 1", by("3 0 1"), records=[own(3, 0, 1)]),
    Row("3 0 0", by("3 0 0"), records=[own(3, 0, 0)]),
    Row("DANE-EE: another name, and over", by("3 1 1"), records=[own(3, 1, 1)], cert="elsewhere.test", days=-1),
    Row("2 1 1 of the authority above it", by("2 1 1"), records=[of_middle(2, 1, 1)]),
    Row("2 0 1 of the authority above that", by("2 0 1"), records=[of_root(2, 0, 1)], above=("middle", "root")),
    Row("2 0 0 of an authority that is not shown", by("2 0 0"), records=[of_root(2, 0, 0)]),
    Row("2 1 1 of an authority that is not shown", ("4.7.5", "certificate verify failed"), records=[of_root(2, 1, 1)]),
    Row("DANE-TA: the domain's name", by("2 1 1"), records=[of_middle(2, 1, 1)], cert="{domain}"),
    Row("DANE-TA: another name", ("4.7.5", "hostname mismatch"), records=[of_middle(2, 1, 1)], cert="elsewhere.test"),
    Row("DANE-TA: over", ("4.7.5", "certificate has expired"), records=[of_middle(2, 1, 1)], days=-1),
    Row("another digest", NO_MATCH, records=[STRANGERS]),
    Row("one good, one not", by("3 1 1"), records=[STRANGERS, own(3, 1, 1)]),
    Row("either usage", by("3 1 1"), records=["2 1 1 " + "ab" * 32, own(3, 1, 1)]),
    Row("usages 0 and 1", UNUSABLE, records=[of_root(0, 0, 1), own(1, 1, 1)]),
    Row("a usage of use among others", by("3 1 1"), records=[own(1, 1, 1), own(3, 1, 1)]),
    Row("usage 1 and another's 3", NO_MATCH, records=[own(1, 1, 1), STRANGERS]),
    Row("an unknown matching type", UNUSABLE, records=["3 1 9 " + "ab" * 32]),
    Row("an unknown selector", UNUSABLE, records=["3 7 1 " + "ab" * 32]),
    Row("a digest of another length", UNUSABLE, records=["3 1 1 abcd"]),
    Row("unusable, and no TLS", ("4.7.10", "does not offer it"), records=[own(1, 1, 1)], tls=False),
    Row("usable, and no TLS", ("4.7.10", "does not offer it"), records=[own(3, 1, 1)], tls=False),
    Row("usable, and STARTTLS is refused", ("4.7.0", "not today"), records=[own(3, 1, 1)], STARTTLS="454 4.7.0 not today"),
    Row("no records", NOBODY),
    Row("no records, and no TLS", NOBODY, tls=False),
    Row("a signature of something else", NOT_FOUND, records=[own(3, 1, 1)]),
    Row("no signature", NOT_FOUND, records=[own(3, 1, 1)]),
    Row("another record under the signature", NOT_FOUND, records=[STRANGERS]),
    Row("a signature that is over", NOT_FOUND, zone="_{port}._tcp.mx.{domain}. IN CNAME over.expired.test."),
    Row("records elsewhere", by("3 1 1"), zone="_{port}._tcp.mx.{domain}. IN CNAME shared.signed.test."),
    Row("records in a zone that is not signed", NOBODY,
        zone="_{port}._tcp.mx.{domain}. IN CNAME strangers.plain.test."),
    Row("its own host", by("3 1 1"), cert="{domain}",
        zone="{domain}. IN A {address}\n_{port}._tcp.{domain}. IN TLSA {own}", host="{domain}"),
    Row("an alias", by("3 1 1"), zone="{domain}. IN MX 10 mx.{domain}.\nmx.{domain}. IN CNAME real.{domain}.\n"
        "real.{domain}. IN A {address}\n_{port}._tcp.real.{domain}. IN TLSA {own}", host="real.{domain}"),
    Row("an alias with records of its own", by("3 1 1"), zone="{domain}. IN MX 10 mx.{domain}.\n"
        "mx.{domain}. IN CNAME real.{domain}.\nreal.{domain}. IN A {address}\n_{port}._tcp.mx.{domain}. IN TLSA {own}"),
    Row("an alias out of what is signed", by("3 1 1"), zone="{domain}. IN MX 10 mx.{domain}.\n"
        "mx.{domain}. IN CNAME h{number}.plain.test.\n_{port}._tcp.mx.{domain}. IN TLSA {own}"),
    Row("a host in a zone that is not signed", NOBODY, zone="{domain}. IN MX 10 h{number}.plain.test.", host="h{number}.plain.test"),
]


def row(what):
    [found] = [number for number, each in enumerate(ROWS) if each.what == what]
    return found


class DaneCase(SendingCase):

    @classmethod
    def prepare(cls, stack, resolver_port=None):
        cls.port = free_port()
        cls.certificates = Certificates(stack.folder)
        cls.zones = Zones(cls)
        cls.make_zones()
        cls.nsd = Nsd(cls, cls.zones)
        cls.unbound = Unbound(cls, cls.zones, cls.nsd, port=resolver_port)

    @classmethod
    def build(cls, stack):
        cls.prepare(stack)
        stack.add_stored(retry_schedule="1h")
        stack.add_smtpd()
        stack.add_pop3d()
        [cls.user] = stack.add_accounts("user")

    @classmethod
    def start_relay(cls, stack, server, **flags):
        # What the system trusts is of no account here.
        public = Authority(stack.folder / "public")
        return stack.add_relay(environment={"SSL_CERT_FILE": str(public.cert)}, delivery_port=cls.port,
                               delivery_allow_networks="127.0.0.0/8", dns_servers=f"127.0.0.1:{server.port}", **flags)

    def submit(self, *recipients):
        for recipient in recipients:
            with self.stack.submission(self.user) as session:
                session.deliver(self.user, [recipient], MAIL)

    def connected(self, relay, address):
        """The last that was said of a connection there."""
        return [event for event in relay.process.events(event="connected") if event["address"] == address][-1]

    def assert_sent(self, relay, host, address, policy, verified_by):
        self.assertEqual(1, len(host.messages))
        got = self.connected(relay, address)
        self.assertEqual((policy, verified_by), (got["policy"], got["verified_by"]), got)


class TableCase(DaneCase):
    """A domain for each of ROWS."""

    @classmethod
    def make_zones(cls):
        cls.addresses = [f"127.7.1.{number + 1}" for number in range(len(ROWS))]
        cls.contexts = []
        shared = cls.certificates.of("shared.signed.test")
        signed = []
        plain = [f"strangers IN TLSA {STRANGERS}"]
        for number, each in enumerate(ROWS):
            domain = f"d{number}.signed.test"
            cert, context = cls.certificates.of(each.cert.format(domain=domain), each.days, each.above)
            if each.what == "records elsewhere":
                cert, context = shared
            cls.contexts.append(context)
            words = dict(domain=domain, port=cls.port, address=cls.addresses[number], number=number, own=tlsa(cert, 3, 1, 1))
            if not each.zone.startswith("{domain}. IN"):
                signed += [f"{domain}. IN MX 10 mx.{domain}.", f"mx.{domain}. IN A {cls.addresses[number]}"]
            plain.append(f"h{number} IN A {cls.addresses[number]}")
            signed.append(each.zone.format(**words))
            for record in each.records:
                data = record if isinstance(record, str) else record(cls.certificates, cert)
                signed.append(f"_{cls.port}._tcp.mx.{domain}. IN TLSA {data}")
        signed.append(f"shared IN TLSA {tlsa(shared[0], 3, 1, 1)}")
        cls.zones.add("signed.test", "\n".join(signed), signed=True)
        cls.zones.add("plain.test", "\n".join(plain))
        cls.zones.add("expired.test", f"over IN TLSA {STRANGERS}", signed=True, valid=("20200101", "20200201"))

        def owner(what):
            return f"_{cls.port}._tcp.mx.d{row(what)}.signed.test"
        cls.zones.break_signature("signed.test", owner("a signature of something else"), "TLSA")
        cls.zones.take_signature("signed.test", owner("no signature"), "TLSA")
        forged = row("another record under the signature")
        # It is for the host that answers, whoever that is.
        cert = cls.certificates.middle.folder / f"mx.d{forged}.signed.test.crt"
        cls.zones.forge("signed.test", owner("another record under the signature"), "TLSA", tlsa(cert, 3, 1, 1))

    def start_hosts(self):
        return [Host(self, address=self.addresses[number], port=self.port,
                     tls=self.contexts[number] if each.tls else None, **each.replies)
                for number, each in enumerate(ROWS)]


class TableTest(TableCase):

    @classmethod
    def build(cls, stack):
        super().build(stack)
        cls.relay = cls.start_relay(stack, cls.unbound)

    def test_table(self):
        hosts = self.start_hosts()
        self.submit(*(f"a@d{number}.signed.test" for number in range(len(ROWS))))
        waiting = self.await_attempts()
        for number, each in enumerate(ROWS):
            with self.subTest(each.what):
                host = hosts[number]
                recipient = waiting.get(f"a@d{number}.signed.test")
                if each.expected[0][0].isdigit():
                    # SECURITY: nothing of the mail in the clear.
                    self.assertEqual([], [line for line in host.lines() if line.startswith("MAIL")])
                    self.assertIsNotNone(recipient, "it was sent")
                    self.assertEqual(each.expected[0], recipient["reply_status"], recipient)
                    self.assertIn(each.expected[1], recipient["reply_text"])
                    if each.expected is NOT_FOUND:
                        self.assertEqual([], host.sessions)
                        self.assertIn("owner must mend", recipient["reply_text"])
                    continue
                self.assertIsNone(recipient)
                self.assert_sent(self.relay, host, self.addresses[number], *each.expected)
                self.assertEqual(each.tls, host.messages[0]["tls"])
                if each.expected[0] == "dane":
                    base = (each.host or "mx.{domain}").format(domain=f"d{number}.signed.test", number=number)
                    self.assertEqual(base, self.connected(self.relay, self.addresses[number])["host"])
        # What came of them is counted, and why hosts were passed over is logged.
        metrics = self.relay.metrics()

        def counted(policy, result):
            return metrics[("mailstead_relay_tls_total", (("policy", policy), ("result", result)))]
        sent_by = [each.expected[0] for each in ROWS]
        self.assertEqual(sent_by.count("dane"), counted("dane", "verified"))
        self.assertEqual(sent_by.count("dane_unusable"), counted("dane_unusable", "unverified"))
        self.assertEqual(sum(each.expected is NOT_FOUND for each in ROWS), counted("dane", "dnssec-invalid"))
        self.assertEqual(1, counted("dane", "certificate-host-mismatch"))
        self.assertEqual(1, counted("dane", "certificate-expired"))
        self.assertEqual(1, counted("dane_unusable", "starttls-not-supported"))
        self.assertEqual(1, metrics[("mailstead_relay_dane", ())])
        self.assertGreater(admin.total(metrics, "mailstead_relay_tls_versions_total", version="TLSv1.3"), 0)
        bogus = row("no signature")
        over = self.relay.process.wait_for_event("host_passed_over", destination=f"d{bogus}.signed.test")
        self.assertEqual(("dane", "dnssec-invalid", f"mx.d{bogus}.signed.test"),
                         (over["policy"], over["failure"], over["host"]))


class PostfixTest(TableCase):
    """What Postfix makes of the same domains and hosts (posttls-finger)."""

    @classmethod
    def build(cls, stack):
        cls.prepare(stack, resolver_port=53)
        cls.resolv_conf = stack.folder / "resolv.conf"
        cls.resolv_conf.write_text("nameserver 127.0.0.1\n", encoding="ascii")

    def finger(self, number):
        script = (f"mount --bind {self.resolv_conf} /etc/resolv.conf && "
                  f"exec posttls-finger -c -t 10 -T 10 -l dane d{number}.signed.test:{self.port}")
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        return done.stdout

    def test_it_agrees(self):
        self.start_hosts()
        for number, each in enumerate(ROWS):
            with self.subTest(each.what):
                said = self.finger(number)
                policy = each.expected[0]
                if each.expected is NOT_FOUND:
                    self.assertIn("TLSA lookup error", said)
                    self.assertNotIn("established", said)
                elif policy == "dane":
                    self.assertIn("Verified TLS connection established", said)
                elif policy == "4.7.5":
                    self.assertIn("verification failed", said)
                    self.assertIn("Untrusted TLS connection established", said)
                elif not each.tls or "STARTTLS" in each.replies:
                    self.assertNotIn("established", said)
                else:
                    # Nobody is authenticated, by records or by anything else.
                    self.assertIn("Untrusted TLS connection established", said)
                    self.assertEqual(each.expected is UNUSABLE, bool(re.search("un(usable|supported) TLSA", said)), said)


class HostsTest(DaneCase):
    """Domains with several hosts, and what is between us and the resolver."""

    GOOD, BAD, CLEAR = "127.7.2.1", "127.7.2.2", "127.7.2.3"

    @classmethod
    def make_zones(cls):
        good, cls.good_context = cls.certificates.of("good.signed.test")
        _, cls.bad_context = cls.certificates.of("bad.signed.test")
        tcp = f"_{cls.port}._tcp"
        cls.zones.add("signed.test", f"""
good IN A {cls.GOOD}
bad IN A {cls.BAD}
bogus IN A {cls.BAD}
clear IN A {cls.CLEAR}
{tcp}.good IN TLSA {tlsa(good, 3, 1, 1)}
{tcp}.bad IN TLSA {STRANGERS}
{tcp}.bogus IN TLSA {STRANGERS}
second IN MX 10 bad
second IN MX 20 good
first IN MX 10 good
first IN MX 20 bad
none IN MX 10 bad
none IN MX 20 bogus
other IN MX 10 bogus
other IN MX 20 clear
alone IN MX 10 good
late IN MX 10 bad
""", signed=True)
        cls.zones.break_signature("signed.test", f"{tcp}.bogus.signed.test", "TLSA")

    def setUp(self):
        super().setUp()
        self.good = Host(self, address=self.GOOD, port=self.port, tls=self.good_context)
        self.bad = Host(self, address=self.BAD, port=self.port, tls=self.bad_context)
        self.clear = Host(self, address=self.CLEAR, port=self.port)
        self.addCleanup(lambda: self.stack.ctl.run("queue", "cancel", "--all", "--yes"))

    def relay(self, server, **flags):
        relay = self.start_relay(self.stack, server, **flags)
        self.addCleanup(relay.terminate)
        return relay

    def mail_lines(self, host):
        return [line for line in host.lines() if line.startswith("MAIL")]

    def test_another_host_takes_it(self):
        relay = self.relay(self.unbound)
        self.submit("a@second.signed.test")
        self.assertEqual({}, self.await_attempts())
        self.assert_sent(relay, self.good, self.GOOD, "dane", "TLSA 3 1 1")
        self.submit("a@other.signed.test")
        self.assertEqual({}, self.await_attempts())
        self.assertEqual(1, len(self.clear.messages))
        # Over the connection that is there, as it is protected the same way.
        self.submit("a@first.signed.test")
        self.assertEqual({}, self.await_attempts())
        self.assertEqual(2, len(self.good.messages))
        self.assertEqual([], self.mail_lines(self.bad))

    def test_none_does(self):
        self.relay(self.unbound)
        self.submit("a@none.signed.test")
        [recipient] = self.await_attempts().values()
        self.assertEqual("4.7.5", recipient["reply_status"])
        self.assertEqual([], self.mail_lines(self.bad))
        # The bogus one was not even spoken to.
        self.assertEqual(1, len(self.bad.sessions))

    def test_records_that_the_resolver_keeps_from_us(self):
        """SECURITY: somebody lets everything through but the TLSA records."""
        def without_tlsa(query, answer):
            asked = struct.unpack_from("!H", query, dns._end_of_question(query) - 4)[0]
            return None if asked == TLSA else answer
        forwarder = Forwarder(self, self.unbound.port, without_tlsa)
        self.relay(forwarder)
        self.submit("a@alone.signed.test")
        [recipient] = self.await_attempts().values()
        self.assertEqual("4.7.5", recipient["reply_status"])
        self.assertIn("cannot be looked up now (timeout)", recipient["reply_text"])
        self.assertEqual([], self.good.sessions)
        # When they can be had the mail goes.
        forwarder.mangle = lambda query, answer: answer
        wait_until(lambda: self.retry() == {}, WAIT, "records")
        self.assertEqual(1, len(self.good.messages))

    def test_the_resolver_goes_away(self):
        forwarder = Forwarder(self, self.unbound.port, lambda query, answer: answer)
        self.relay(forwarder)
        self.submit("a@alone.signed.test")
        self.assertEqual({}, self.await_attempts())
        forwarder.mangle = dns.silence
        self.submit("a@late.signed.test")
        [recipient] = self.await_attempts().values()
        self.assertEqual("4.4.3", recipient["reply_status"])
        self.assertEqual([], self.bad.sessions)

    def test_a_resolver_that_does_not_validate(self):
        """DANE is off then, and that is said."""
        def without_validation(query, answer):
            end = dns._end_of_question(query)
            if end > dns._HEADER.size + 5:
                return dns.without_ad(query, answer)
            # The probe: the root's SOA is no concern of unbound's here.
            number, flags = dns._HEADER.unpack_from(query)[:2]
            opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
            return dns._HEADER.pack(number, flags & ~dns._AD | dns._QR | 0x0080, 1, 0, 0, 1) + query[dns._HEADER.size:end] + opt
        relay = self.relay(Forwarder(self, self.unbound.port, without_validation))
        off = relay.process.wait_for_event("dane_off")
        self.assertEqual(("the DNS servers do not validate DNSSEC", "warning"), (off["reason"], off["level"]))
        self.assertEqual(0, relay.metrics()[("mailstead_relay_dane", ())])
        self.submit("a@late.signed.test")
        self.assertEqual({}, self.await_attempts())
        self.assert_sent(relay, self.bad, self.BAD, "opportunistic", "no")

    def test_it_can_be_switched_off(self):
        relay = self.relay(self.unbound, delivery_dane="false")
        self.assertEqual("it is switched off", relay.process.wait_for_event("dane_off")["reason"])
        self.submit("a@late.signed.test")
        self.assertEqual({}, self.await_attempts())
        self.assert_sent(relay, self.bad, self.BAD, "opportunistic", "no")

    def test_servers_that_are_not_trusted(self):
        relay = self.relay(self.unbound, dns_trusted="192.0.2.1")
        self.assertIn("--dns_trusted", relay.process.wait_for_event("dane_off")["reason"])
        self.submit("a@late.signed.test")
        self.assertEqual({}, self.await_attempts())
        self.assert_sent(relay, self.bad, self.BAD, "opportunistic", "no")

    def test_a_memory_of_broken_tls_takes_nothing_from_it(self):
        relay = self.relay(self.unbound, delivery_dane="false")
        self.good.become(handshake=mail_host.close)
        self.submit("a@alone.signed.test")
        self.assertEqual({}, self.await_attempts())
        self.assertEqual([False], [message["tls"] for message in self.good.messages])
        relay.terminate()
        # With DANE the host is not as it should be; in the clear it would take it.
        self.relay(self.unbound)
        self.submit("a@alone.signed.test")
        [recipient] = self.await_attempts().values()
        self.assertEqual("4.7.5", recipient["reply_status"])
        self.good.become()
        self.assertEqual({}, self.retry())
        self.assertEqual([False, True], [message["tls"] for message in self.good.messages])

    def test_a_route_cannot_take_it_away(self):
        relay = self.relay(self.unbound)
        self.stack.ctl.run("route", "set", "late.signed.test", "--direct", "--tls", "none")
        self.addCleanup(lambda: self.stack.ctl.run("route", "remove", "late.signed.test"))
        self.submit("a@late.signed.test")
        [recipient] = self.await_attempts().values()
        self.assertEqual("4.7.5", recipient["reply_status"])
        # One that names the host is held to the host's records, too.
        self.stack.ctl.run("route", "set", "far.test", "--via", f"good.signed.test:{self.port}")
        self.addCleanup(lambda: self.stack.ctl.run("route", "remove", "far.test"))
        self.submit("a@far.test")
        self.assertEqual({"a@late.signed.test"}, set(self.await_attempts()))
        self.assert_sent(relay, self.good, self.GOOD, "dane", "TLSA 3 1 1")


if __name__ == "__main__":
    unittest.main()
