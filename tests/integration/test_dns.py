"""The resolver and what is built on it, against real servers: nsd with signed zones, unbound that validates them, and
networks that do not let everything through."""

import unittest

from mailstead import dns
from mailstead.ports import free_port

SIGNED = """
mail          IN A    127.0.0.1
mail          IN AAAA ::1
two           IN MX   20 backup
two           IN MX   10 mail
backup        IN A    127.0.0.2
nullmx        IN MX   0 .
alias         IN CNAME two
outside       IN CNAME www.plain.test.
nowhere       IN CNAME missing
broken        IN A    127.0.0.9
_25._tcp.mail IN TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
spf           IN TXT  "v=spf1 " "-all"
child         IN NS   ns.plain.test.
many          IN MX   10 mail
many          IN MX   10 gone.lame.test.
lost          IN MX   10 gone.lame.test.
worse         IN MX   10 self
worse         IN MX   20 mail
empty         IN MX   10 text
text          IN TXT  "no address"
1             IN PTR  mail
inside        IN MX   10 lan
lan           IN A    192.168.1.1
""" + "\n".join(f'large IN TXT "{number:03} {"x" * 200}"' for number in range(40))

PLAIN = """
@    IN MX 10 mail
mail IN A  127.0.0.3
www  IN A  127.0.0.4
"""


class DnsCase(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        zones = dns.Zones(cls)
        zones.add("signed.test", SIGNED, signed=True)
        zones.break_signature("signed.test", "broken.signed.test", "A")
        zones.add("plain.test", PLAIN)
        # Below a signed zone, without a DS there: proven to be unsigned.
        zones.add("child.signed.test", PLAIN)
        cls.nsd = dns.Nsd(cls, zones)
        cls.unbound = dns.Unbound(cls, zones, cls.nsd, lame=["lame.test"])

    def asker(self, *servers, **options):
        return dns.Asker(self, servers or [self.unbound.port], **options)

    def assert_answer(self, answer, outcome, secure, records=(), **fields):
        self.assertEqual(outcome, answer["outcome"], answer)
        self.assertEqual(secure, answer["secure"], answer)
        self.assertEqual(sorted(records), sorted(answer["records"]), answer)
        for key, value in fields.items():
            self.assertEqual(value, answer[key], answer)


class ValidatingTest(DnsCase):
    """What unbound makes of the zones, as the resolver tells it."""

    ANSWERS = [
        # question, outcome, secure, records
        ("A mail.signed.test", "answer", True, ["127.0.0.1"]),
        ("AAAA mail.signed.test", "answer", True, ["::1"]),
        ("MX two.signed.test", "answer", True, ["10 mail.signed.test", "20 backup.signed.test"]),
        ("MX TWO.Signed.TEST", "answer", True, ["10 mail.signed.test", "20 backup.signed.test"]),
        ("MX nullmx.signed.test", "answer", True, ["0 ."]),
        ("TXT spf.signed.test", "answer", True, ["v=spf1 -all"]),
        ("TLSA _25._tcp.mail.signed.test", "answer", True,
         ["3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]),
        ("PTR 1.signed.test", "answer", True, ["mail.signed.test"]),
        ("SOA signed.test", "answer", True, ["ns.signed.test hostmaster.signed.test 1 60"]),
        ("CNAME alias.signed.test", "answer", True, ["two.signed.test"]),
        ("MX mail.signed.test", "no_data", True, []),
        ("A nothing.signed.test", "no_name", True, []),
        ("A nowhere.signed.test", "no_name", True, []),
        ("A broken.signed.test", "failed", False, []),
        ("MX plain.test", "answer", False, ["10 mail.plain.test"]),
        ("AAAA mail.plain.test", "no_data", False, []),
        ("A nothing.plain.test", "no_name", False, []),
        ("A mail.child.signed.test", "answer", False, ["127.0.0.3"]),
        # An alias out of a signed zone into one that is not: the whole is not proven.
        ("A outside.signed.test", "answer", False, ["127.0.0.4"]),
        ("CNAME outside.signed.test", "answer", True, ["www.plain.test"]),
    ]

    def test_outcomes(self):
        ask = self.asker()
        for question, outcome, secure, records in self.ANSWERS:
            with self.subTest(question):
                self.assert_answer(ask(question), outcome, secure, records)

    def test_bogus_and_lame_are_servfail(self):
        ask = self.asker()
        self.assert_answer(ask("A broken.signed.test"), "failed", False, failure="servfail")
        self.assert_answer(ask("MX lame.test"), "failed", False, failure="servfail")

    def test_aliases_are_followed(self):
        answer = self.asker()("MX alias.signed.test")
        self.assert_answer(answer, "answer", True, ["10 mail.signed.test", "20 backup.signed.test"],
                           canonical_name="two.signed.test")

    def test_what_is_longer_than_udp_comes_by_tcp(self):
        answer = self.asker()("TXT large.signed.test")
        self.assert_answer(answer, "answer", True, [f"{number:03} {'x' * 200}" for number in range(40)])

    def test_times_to_live(self):
        ask = self.asker()
        self.assertLessEqual(ask("A mail.signed.test")["ttl"], 300)
        self.assertGreater(ask("A mail.signed.test")["ttl"], 60)
        # The SOA's minimum, which is less than its own TTL.
        self.assertLessEqual(ask("A none.signed.test")["ttl"], 60)
        self.assertGreater(ask("A none.signed.test")["ttl"], 5)

    def test_many_at_once(self):
        names = [f"n{number}.signed.test" for number in range(200)]
        answers = self.asker()("together A " + " ".join(names))
        self.assertEqual(200, len(answers))
        for name, answer in zip(names, answers):
            self.assert_answer(answer, "no_name", True, canonical_name=name)

    def test_only_trusted_servers_are_believed(self):
        for trusted in ([], [self.nsd.port]):
            self.assert_answer(self.asker(trusted=trusted)("A mail.signed.test"), "answer", False, ["127.0.0.1"])
        # Nor when one of them is not.
        ask = self.asker(self.unbound.port, self.nsd.port, trusted=[self.unbound.port])
        self.assert_answer(ask("A mail.signed.test"), "answer", False, ["127.0.0.1"])

    def test_the_probe_sees_validation(self):
        self.assertEqual({"validates": True, "failure": "none"}, self.asker()("probe signed.test"))
        self.assertEqual({"validates": False, "failure": "none"}, self.asker()("probe plain.test"))

    def test_the_cache_keeps_what_it_was_told(self):
        forwarder = dns.Forwarder(self, self.unbound.port, lambda query, answer: answer)
        ask = self.asker(forwarder.port)
        for _ in range(3):
            self.assert_answer(ask("cached A mail.signed.test"), "answer", True, ["127.0.0.1"])
            self.assert_answer(ask("cached A nothing.signed.test"), "no_name", True)
        self.assertEqual(2, forwarder.queries)


class BadServersTest(DnsCase):
    """What is in front of the resolver is not what it should be."""

    def forwarder(self, mangle):
        return dns.Forwarder(self, self.unbound.port, mangle)

    def test_nothing_listens(self):
        answer = self.asker(free_port(), try_timeout_ms=200, tries=2)("A mail.signed.test")
        self.assert_answer(answer, "failed", False, failure="unreachable")

    def test_a_dead_server_is_passed_over(self):
        ask = self.asker(free_port(), self.unbound.port)
        self.assert_answer(ask("A mail.signed.test"), "answer", True, ["127.0.0.1"])

    def test_a_silent_server(self):
        silent = self.forwarder(dns.silence)
        ask = self.asker(silent.port, try_timeout_ms=100, tries=2)
        self.assert_answer(ask("A mail.signed.test"), "failed", False, failure="timeout")
        self.assertEqual(2, silent.queries)
        ask = self.asker(silent.port, self.unbound.port, try_timeout_ms=100)
        self.assert_answer(ask("A mail.signed.test"), "answer", True, ["127.0.0.1"])

    def test_the_deadline_comes_before_the_server(self):
        ask = self.asker(self.forwarder(dns.silence).port, try_timeout_ms=1000, tries=1)
        self.assert_answer(ask("within 50 A mail.signed.test"), "failed", False, failure="timeout")
        self.assert_answer(ask("within 0 A mail.signed.test"), "failed", False, failure="timeout")

    def test_ad_is_stripped(self):
        ask = self.asker(self.forwarder(dns.without_ad).port)
        self.assert_answer(ask("A mail.signed.test"), "answer", False, ["127.0.0.1"])
        self.assertEqual({"validates": False, "failure": "none"}, ask("probe signed.test"))

    def test_a_probe_that_fails_says_nothing(self):
        ask = self.asker(self.forwarder(dns.error(dns.SERVFAIL)).port)
        self.assertEqual({"validates": None, "failure": "servfail"}, ask("probe signed.test"))

    def test_errors_are_not_absence(self):
        for code, failure in ((dns.SERVFAIL, "servfail"), (5, "refused"), (4, "error_code"), (9, "error_code")):
            with self.subTest(code):
                ask = self.asker(self.forwarder(dns.error(code)).port)
                self.assert_answer(ask("MX plain.test"), "failed", False, failure=failure)

    def test_garbage_is_not_absence(self):
        ask = self.asker(self.forwarder(dns.garbage).port, try_timeout_ms=100, tries=2)
        self.assert_answer(ask("MX plain.test"), "failed", False, failure="garbled")

    def test_an_authoritative_server_is_no_resolver(self):
        # What it does not have may exist elsewhere.
        ask = self.asker(self.nsd.port)
        self.assert_answer(ask("A nothing.plain.test"), "failed", False, failure="no_recursion")
        self.assert_answer(ask("A elsewhere.example"), "failed", False, failure="refused")

    def test_a_server_without_edns_is_of_no_use(self):
        # Not "insecure": the zone is signed, and it would look as if it were not.
        old = self.forwarder(dns.formerr_to_edns)
        ask = self.asker(old.port)
        self.assert_answer(ask("A mail.signed.test"), "failed", False, failure="no_edns")
        # And it turns EDNS off for nobody: when the server has been replaced, everything is as before.
        old.mangle = lambda query, answer: answer
        self.assert_answer(ask("A mail.signed.test"), "answer", True, ["127.0.0.1"])

    def test_truncated_and_no_tcp(self):
        # The forwarder answers over UDP only; unbound says that there is more.
        ask = self.asker(self.forwarder(lambda query, answer: answer).port, try_timeout_ms=100, tries=2)
        self.assertEqual("failed", ask("TXT large.signed.test")["outcome"])


class NextHopsTest(DnsCase):

    def test_hosts_with_addresses(self):
        hops = self.asker()("hops two.signed.test")
        self.assertEqual({"mx_secure": True, "implicit": False, "unresolved": [], "hosts": [
            {"host": "mail.signed.test", "canonical_name": "mail.signed.test", "secure": True,
             "addresses": ["127.0.0.1"]},
            {"host": "backup.signed.test", "canonical_name": "backup.signed.test", "secure": True,
             "addresses": ["127.0.0.2"]}]}, hops)

    def test_no_mx_but_addresses(self):
        hops = self.asker()("hops mail.plain.test")
        self.assertTrue(hops["implicit"])
        self.assertFalse(hops["mx_secure"])
        self.assertEqual(["mail.plain.test"], [host["host"] for host in hops["hosts"]])
        # That there is no MX record is proven here.
        hops = self.asker()("hops mail.signed.test")
        self.assertTrue(hops["implicit"])
        self.assertTrue(hops["mx_secure"])

    def test_a_host_that_fails_for_now_is_passed_over(self):
        hops = self.asker()("hops many.signed.test")
        self.assertEqual(["mail.signed.test"], [host["host"] for host in hops["hosts"]])
        self.assertEqual(["gone.lame.test"], hops["unresolved"])

    def test_why_there_is_none(self):
        ask = self.asker()
        for domain, status in (
                ("nullmx.signed.test", "5.1.10"),
                ("nothing.signed.test", "5.1.2"),
                ("lame.test", "4.4.3"),
                ("broken.signed.test", "4.4.3"),
                ("lost.signed.test", "4.4.3"),
                ("empty.signed.test", "5.4.4"),
                ("inside.signed.test", "5.4.4"),
                ("worse.signed.test", "5.4.6"),
                ("self.signed.test", "5.1.2"),
                ("[192.168.1.1]", "5.4.4"),
        ):
            with self.subTest(domain):
                self.assertEqual(status, ask(f"hops {domain}").get("status"))


if __name__ == "__main__":
    unittest.main()
