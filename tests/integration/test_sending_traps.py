"""What relays are known to get wrong: where mail goes by the DNS, which host's word counts, and what a dialog leaves open.
Each row has a domain of its own in a real DNS, whose hosts are addresses of one scripted host."""

import datetime
import re
import ssl
import unittest

from mailstead import dns, mail_host
from mailstead.mail_host import AS_USUAL, EXTENSIONS, Host
from mailstead.sending import SendingCase

ZONE = "trap.test"
MAIL = b"From: user@example.test\r\nSubject: %s\r\nMessage-ID: <%s@example.test>\r\n\r\nHello\r\n"
EIGHT_BIT = "gr\u00fcn\r\n".encode()

BUSY = "421 4.3.2 busy"
NO_SERVICE = "554 5.3.2 no service here"
NO_USER = "550 5.1.1 no such user"
NOT_NOW = "451 4.7.1 not now"
PLAIN_EHLO = "250-mx\r\n250-PIPELINING\r\n250 SIZE"
SMALL_EHLO = "250-mx\r\n250-8BITMIME\r\n250 SIZE 100"


def two(first, second):
    return {1: first, 2: second}


# name; its records, where {d} is the domain and {1} the address of its host 1; what hosts say that do not take everything;
# what becomes of the mail (delivered and by which host; else the status that the queue or the sender is told); the hosts that
# were connected to, and no others.
PAIR = "{d} IN MX 10 a.{d}\n{d} IN MX 20 b.{d}\na.{d} IN A {1}\nb.{d} IN A {2}"
ROWS = [
    # ---- Where the mail goes
    ("null-mx", "{d} IN MX 0 .\n{d} IN A {1}", {}, "returned 5.1.10", ()),
    ("no-such-name", "", {}, "returned 5.1.2", ()),
    ("no-mx", "{d} IN A {1}", {}, "delivered 1", (1,)),
    ("no-host", "{d} IN TXT words", {}, "returned 5.4.4", ()),
    ("mx-to-nowhere", "{d} IN MX 10 nowhere.{d}\n{d} IN A {1}", {}, "returned 5.4.4", ()),
    ("alias", "{d} IN CNAME other.{d}\nother.{d} IN MX 10 a.{d}\na.{d} IN A {1}", {}, "delivered 1", (1,)),
    ("mx-is-alias", "{d} IN MX 10 a.{d}\na.{d} IN CNAME b.{d}\nb.{d} IN A {1}", {}, "delivered 1", (1,)),
    ("dns-fails", "{d} IN MX 10 a.lame.test.", {}, "waits 4.4.3", ()),
    ("better-first", PAIR, {}, "delivered 1", (1,)),
    ("loopback", "{d} IN A 127.0.0.1", {}, "returned 5.4.4", ()),
    ("mx-to-loopback", "{d} IN MX 10 a.{d}\na.{d} IN A 127.0.0.1", {}, "returned 5.4.4", ()),
    ("unspecified", "{d} IN A 0.0.0.0", {}, "returned 5.4.4", ()),
    ("private", "{d} IN A 10.1.2.3", {}, "returned 5.4.4", ()),
    ("shared", "{d} IN A 100.64.0.1", {}, "returned 5.4.4", ()),
    ("link-local", "{d} IN A 169.254.169.254", {}, "returned 5.4.4", ()),
    ("multicast", "{d} IN A 224.0.0.25", {}, "returned 5.4.4", ()),
    ("broadcast", "{d} IN A 255.255.255.255", {}, "returned 5.4.4", ()),
    ("loopback-v6", "{d} IN AAAA ::1", {}, "returned 5.4.4", ()),
    ("unspecified-v6", "{d} IN AAAA ::", {}, "returned 5.4.4", ()),
    ("mapped", "{d} IN AAAA ::ffff:127.0.0.1", {}, "returned 5.4.4", ()),
    ("local-v6", "{d} IN AAAA fd00::1", {}, "returned 5.4.4", ()),
    ("one-is-allowed", "{d} IN A 127.0.0.1\n{d} IN A {1}", {}, "delivered 1", (1,)),
    ("ourselves", "{d} IN MX 10 mx.example.test.", {}, "returned 5.4.6", ()),
    # Worse ones would bring it back to us.
    ("ourselves-between", PAIR + "\n{d} IN MX 15 mx.example.test.", {1: {"greeting": mail_host.close}}, "waits 4.4.2", (1,)),
    # ---- Whose word counts
    ("first-is-away", PAIR, {1: {"greeting": mail_host.close}}, "delivered 2", (1, 2)),
    ("first-is-reset", PAIR, {1: {"EHLO": mail_host.reset}}, "delivered 2", (1, 2)),
    ("first-is-busy", PAIR, {1: {"MAIL": BUSY}}, "delivered 2", (1, 2)),
    ("first-has-no-service", PAIR, {1: {"greeting": NO_SERVICE}}, "delivered 2", (1, 2)),
    ("none-has-service", PAIR, two({"greeting": NO_SERVICE}, {"greeting": NO_SERVICE}), "returned 5.3.2", (1, 2)),
    ("one-may-come-back", PAIR, two({"greeting": NO_SERVICE}, {"greeting": BUSY}), "waits 4.3.2", (1, 2)),
    ("one-may-be-found", "{d} IN MX 10 a.{d}\n{d} IN MX 20 a.lame.test.\na.{d} IN A {1}", {1: {"greeting": NO_SERVICE}},
     "waits 4.3.2", (1,)),
    ("no-such-user", PAIR, {1: {"RCPT": NO_USER}}, "returned 5.1.1", (1,)),
    ("not-now", PAIR, {1: {"RCPT": NOT_NOW}}, "waits 4.7.1", (1,)),
    ("lost-before-the-end", PAIR, {1: {"DATA": mail_host.close}}, "delivered 2", (1, 2)),
    # It may have been taken.
    ("lost-behind-the-end", PAIR, {1: {"dot": mail_host.close}}, "waits 4.4.2", (1,)),
    ("two-hosts-at-most", PAIR + "\n{d} IN MX 30 c.{d}\nc.{d} IN A {3}", two({"MAIL": BUSY}, {"MAIL": BUSY}), "waits 4.3.2",
     (1, 2)),
    ("four-addresses-of-a-host", "\n".join(f"{{d}} IN A {{{n}}}" for n in range(1, 9)),
     {n: {"greeting": BUSY} for n in range(1, 9)}, "waits 4.3.2", 4),
    ("ten-addresses", "\n".join(f"{{d}} IN MX {n} h{n}.{{d}}\nh{n}.{{d}} IN A {{{n}}}" for n in range(1, 15)),
     {n: {"greeting": BUSY} for n in range(1, 15)}, "waits 4.3.2", tuple(range(1, 11))),
    # ---- What a host can take
    ("eight-bits-elsewhere", PAIR, {1: {"EHLO": PLAIN_EHLO}}, "delivered 2", (1, 2)),
    ("eight-bits-nowhere", PAIR, two({"EHLO": PLAIN_EHLO}, {"EHLO": PLAIN_EHLO}), "returned 5.6.3", (1, 2)),
    ("too-large", PAIR, two({"EHLO": SMALL_EHLO}, {"EHLO": SMALL_EHLO}), "returned 5.3.4", (1, 2)),
]


class TrapsTest(SendingCase):

    @classmethod
    def build(cls, stack):
        zones = dns.Zones(cls)
        # By address: what it says. A test may add to it.
        cls.behaviour = {}
        records = []
        for number, (name, text, says, _, _) in enumerate(ROWS):
            def address(host, number=number):
                return f"127.1.{number}.{host}"
            filled = re.sub(r"\{(\d+)\}", lambda found: address(found[1]), text.replace("{d}", f"{name}.{ZONE}."))
            records.append(filled)
            cls.behaviour.update({address(host): replies for host, replies in says.items()})
        # For the tests below, and an A-label.
        records += [f"t{n} IN A 127.1.200.{n}" for n in range(1, 20)] + ["xn--bcher-kva IN A 127.1.201.1"]
        records += ["equal IN MX 10 a.equal\nequal IN MX 10 b.equal\na.equal IN A 127.1.202.1\nb.equal IN A 127.1.202.2"]
        zones.add(ZONE, "\n".join(records))
        resolver = dns.Unbound(cls, zones, dns.Nsd(cls, zones), lame=["lame.test"])

        def say_at(stage):
            return lambda session: cls.say(session, stage)

        class CleanUp:
            addCleanup = cls.addClassCleanup
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(stack.tls_cert, stack.tls_key)
        cls.host = Host(CleanUp, address="0.0.0.0", extensions=EXTENSIONS, tls_extensions=EXTENSIONS, tls=None,
                        **{stage: say_at(stage) for stage in ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot", "RSET")})
        cls.host.tls = tls
        stack.add_stored(retry_schedule="1h", hostname="mx.example.test")
        stack.add_smtpd()
        stack.add_pop3d()
        cls.user, cls.other = stack.add_accounts("user", "other")
        stack.add_relay(delivery_workers=50, delivery_port=cls.host.port, delivery_allow_networks="127.1.0.0/16",
                        delivery_timeout="20s", dns_servers=f"127.0.0.1:{resolver.port}")

    @classmethod
    def say(cls, session, stage):
        reply = cls.behaviour.get(session.address, {}).get(stage, AS_USUAL)
        return reply(session) if callable(reply) else reply

    # --- steps ---

    def submit(self, *recipients, user=None, body=b"", options="", name=b"a"):
        user = user or self.user
        content = MAIL.replace(b"user@example.test", user.encode()) % (name, name) + body
        with self.stack.submission(user) as session:
            session.deliver(user, list(recipients), content, options)

    def tearDown(self):
        self.stack.ctl.raw("queue", "cancel", "--all", "--yes")

    def messages_at(self, address):
        return [message for message in self.host.messages if message["address"] == address]

    def connected(self, network):
        return sorted({int(session.address.rsplit(".", 1)[1]) for session in self.host.sessions
                       if session.address.startswith(network)})

    # --- tests ---

    def test_table(self):
        for name, *_ in ROWS:
            self.submit(f"friend@{name}.{ZONE}", body=EIGHT_BIT, options="BODY=8BITMIME", name=name.encode())
        waiting = self.await_attempts()
        told = self.notices_by_recipient(self.user)
        for number, (name, _, _, outcome, hosts) in enumerate(ROWS):
            with self.subTest(name):
                self.check_row(f"friend@{name}.{ZONE}", f"127.1.{number}.", outcome, hosts, waiting, told)
        # Nothing came by an address that the DNS may not lead to.
        self.assertEqual(set(), {session.address for session in self.host.sessions if not session.address.startswith("127.1.")})

    def check_row(self, address, network, outcome, hosts, waiting, told):
        if address in waiting:
            got = f"waits {waiting[address]['reply_status']}"
        elif address in told:
            got = f"returned {told[address][0]['Status']}"
        else:
            took = [message["address"].removeprefix(network) for message in self.host.messages
                    if message["to"] == [address]]
            got = f"delivered {' '.join(took)}"
        self.assertEqual(outcome, got)
        connected = self.connected(network)
        self.assertEqual(hosts, len(connected) if isinstance(hosts, int) else tuple(connected))

    def test_equal_hosts_share_the_mail(self):
        for _ in range(20):
            self.submit(f"friend@equal.{ZONE}", user=self.other)
        self.await_attempts()
        self.assertEqual([1, 2], self.connected("127.1.202."))

    def test_address_literals(self):
        self.submit("friend@[127.1.200.1]", "friend@[127.0.0.1]", "friend@[IPv6:::1]", "friend@[10.0.0.1]", user=self.other)
        self.assertEqual({}, self.await_attempts())
        self.assertEqual(["friend@[127.1.200.1]"], self.messages_at("127.1.200.1")[0]["to"])
        self.assertEqual(["5.4.4"] * 3, [recipient["Status"] for recipients, _ in self.notices(self.other)
                                         for recipient in recipients])

    def test_all_recipients_are_refused_and_the_message_is_asked_for(self):
        self.behaviour["127.1.200.2"] = {"RCPT": NOT_NOW, "DATA": "354 go on"}
        self.submit(f"a@t2.{ZONE}", f"b@t2.{ZONE}", user=self.other)
        waiting = self.await_attempts()
        self.assertEqual({f"a@t2.{ZONE}", f"b@t2.{ZONE}"}, set(waiting))
        self.assertEqual({451}, {recipient["reply_code"] for recipient in waiting.values()})
        # A message to nobody, of nothing.
        self.assertEqual([([], b"")], [(message["to"], message["content"]) for message in self.messages_at("127.1.200.2")])

    def test_each_recipient_has_its_own_outcome(self):
        words = {"a": "250 2.1.5 ok", "b": NOT_NOW, "c": NO_USER, "d": "550 5.2.1 disabled"}
        self.behaviour["127.1.200.3"] = {"RCPT": lambda session: words[session.line.split("<")[1][0]]}
        self.submit(*(f"{name}@t3.{ZONE}" for name in "dcba"), user=self.other)
        self.assertEqual({f"b@t3.{ZONE}": 451}, {address: recipient["reply_code"]
                                                for address, recipient in self.await_attempts().items()})
        # One notice, for both.
        [(recipients, _)] = self.notices(self.other)
        self.assertEqual({f"rfc822; c@t3.{ZONE}": "5.1.1", f"rfc822; d@t3.{ZONE}": "5.2.1"},
                         {recipient["Final-Recipient"]: recipient["Status"] for recipient in recipients})
        self.behaviour["127.1.200.3"] = {}
        self.assertEqual({}, self.retry())
        self.assertEqual([[f"a@t3.{ZONE}"], [f"b@t3.{ZONE}"]], [message["to"] for message in self.messages_at("127.1.200.3")])

    def test_too_many_recipients_are_for_the_next_message(self):
        for number, reply in ((4, "452 4.5.3 too many recipients"), (5, "452 too many"), (6, "552 too many recipients")):
            self.behaviour[f"127.1.200.{number}"] = {
                "RCPT": lambda session, reply=reply: AS_USUAL if len(session.recipients) < 3 else reply}
            self.submit(*(f"{n}@t{number}.{ZONE}" for n in range(7)), user=self.other)
        self.await_attempts()
        self.retry()
        self.assertEqual({}, self.retry())
        for number in (4, 5, 6):
            sizes = [len(message["to"]) for message in self.messages_at(f"127.1.200.{number}")]
            self.assertEqual([3, 3, 1], sizes)
        self.assertEqual([], self.stack.fetch_all(self.other))

    def test_words_of_any_bytes_are_safe_to_show(self):
        self.behaviour["127.1.200.7"] = {"RCPT": b"550 5.1.1 na\xefve \x1b[31mred\x07 \xe2\x82\xac\x00 end"}
        self.behaviour["127.1.200.8"] = {"RCPT": b"450 4.2.0 na\xefve \x1b[31mred\x07 \xe2\x82\xac\x00 end"}
        self.submit(f"a@t7.{ZONE}", f"b@t8.{ZONE}", user=self.other)
        waiting = self.await_attempts()
        self.assertTrue(waiting[f"b@t8.{ZONE}"]["reply_text"].isprintable())
        self.assertTrue(all(c in b"\n" or c >= 0x20 for c in self.stack.ctl.run("queue", "list")))
        [raw] = self.stack.fetch_all(self.other)
        self.assertTrue(raw.isascii())
        self.assertTrue(all(c in b"\r\n\t" or 0x20 <= c < 0x7f for c in raw), raw)
        self.assertIn(b"red", raw)

    def test_nobody_is_told_of_a_notice(self):
        self.behaviour["127.1.200.9"] = {"RCPT": NO_USER}
        self.stack.ctl.run("alias", "add", "away@example.test", f"a@t9.{ZONE}")
        self.stack.send("away@example.test", MAIL % (b"n", b"n"), sender="")
        self.stack.stored.process.wait_for_event("recipient_failed", to=f"a@t9.{ZONE}")
        self.assertEqual({}, self.await_attempts())
        self.assertEqual(([], []), (self.stack.fetch_all(self.user), self.stack.fetch_all(self.other)))

    def test_who_wrote_to_an_alias_is_told_of_the_one_that_failed(self):
        self.behaviour["127.1.200.15"] = {"RCPT": NO_USER}
        self.stack.ctl.run("alias", "add", "team@example.test", f"a@t15.{ZONE}", f"b@t16.{ZONE}")
        self.submit("team@example.test", user=self.other)
        self.assertEqual({}, self.await_attempts())
        [([recipient], _)] = self.notices(self.other)
        self.assertEqual((f"rfc822; a@t15.{ZONE}", "5.1.1"), (recipient["Final-Recipient"], recipient["Status"]))
        self.assertEqual(1, len(self.messages_at("127.1.200.16")))

    def test_a_new_route_is_for_mail_that_waits_too(self):
        self.behaviour["127.1.200.17"] = {"greeting": mail_host.close}
        self.submit(f"friend@t17.{ZONE}", user=self.other)
        self.assertEqual([f"friend@t17.{ZONE}"], list(self.await_attempts()))
        self.stack.ctl.run("route", "set", f"t17.{ZONE}", "--via", f"127.1.200.18:{self.host.port}")
        self.assertEqual({}, self.retry())
        self.assertEqual(1, len(self.messages_at("127.1.200.18")))

    def test_smtputf8_is_asked_for_only_where_it_is_needed(self):
        self.submit(f"friend@b\u00fccher.{ZONE}", user=self.other, options="SMTPUTF8")
        self.submit(f"gr\u00fcn@t10.{ZONE}", f"plain@t10.{ZONE}", user=self.other, options="SMTPUTF8")
        self.assertEqual({}, self.await_attempts())
        # A domain has another name.
        [message] = self.messages_at("127.1.201.1")
        self.assertEqual([f"friend@xn--bcher-kva.{ZONE}"], message["to"])
        self.assertFalse(any("SMTPUTF8" in line for line in message["lines"]))
        [message] = self.messages_at("127.1.200.10")
        self.assertEqual([f"plain@t10.{ZONE}"], message["to"])
        [raw] = self.stack.fetch_all(self.other)
        self.assertIn(b"5.6.7", raw)
        # Nor does the name of an alias that leads out matter any more.
        self.stack.ctl.run("alias", "add", "gr\u00fcn@example.test", f"plain@t14.{ZONE}")
        self.submit("gr\u00fcn@example.test", user=self.other, options="SMTPUTF8")
        self.assertEqual({}, self.await_attempts())
        self.assertEqual(1, len(self.messages_at("127.1.200.14")))

    def test_what_is_said_before_tls_does_not_count(self):
        offer = "250-mx\r\n250-{}\r\n250 STARTTLS"
        for number, before, after in ((11, "8BITMIME", "PIPELINING"), (12, "PIPELINING", "8BITMIME")):
            self.behaviour[f"127.1.200.{number}"] = {
                "EHLO": lambda session, before=before, after=after: f"250-mx\r\n250 {after}" if session.tls
                else offer.format(before)}
            self.submit(f"friend@t{number}.{ZONE}", user=self.other, body=EIGHT_BIT, options="BODY=8BITMIME")
        self.assertEqual({}, self.await_attempts())
        [(recipients, _)] = self.notices(self.other)
        self.assertEqual([(f"rfc822; friend@t11.{ZONE}", "5.6.3")],
                         [(recipient["Final-Recipient"], recipient["Status"]) for recipient in recipients])
        [message] = self.messages_at("127.1.200.12")
        self.assertTrue(message["tls"])

    def test_a_host_that_names_a_time_gets_it_once(self):
        self.behaviour["127.1.200.13"] = {"RCPT": "451 4.7.1 Greylisted, please try again in 5 minutes"}
        self.submit(f"friend@t13.{ZONE}", user=self.other)
        for least, most in ((200, 400), (3000, 4200)):
            [recipient] = self.await_attempts().values()
            at = datetime.datetime.fromisoformat
            seconds = (at(recipient["next_attempt_time"]) - at(recipient["reply_time"])).total_seconds()
            self.assertTrue(least < seconds < most, seconds)
            self.retry()


if __name__ == "__main__":
    unittest.main()
