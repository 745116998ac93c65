"""Where a relay goes, and how it speaks to the hosts there: which of them are ourselves, TLS from the first byte, as whom and
from which address, REQUIRETLS. In a network of its own: for port 465, and for addresses that are this machine's and not loopback.
"""

import datetime
import re
import socket
import ssl
import subprocess
import threading
import time
import unittest

from mailstead import admin, own_network
from mailstead.certs import Authority
from mailstead.dns import Nsd, Unbound, Zones
from mailstead.process import wait_until
from mailstead.stack import PASSWORD, StackCase

FRIEND = "friend@far.test"
MAIL = b"From: user@example.test\r\nTo: friend@far.test\r\nSubject: hello\r\n\r\nprivate words\r\n"
# This machine's, beside loopback.
SOURCES = ("198.51.100.7", "198.51.100.8")
OURS, ALSO_OURS, FAR = "198.51.100.1", "198.51.100.2", "198.51.100.3"
MX_PORT = 2525


def setUpModule():
    own_network.enter()
    for address in (*SOURCES, OURS, ALSO_OURS, FAR):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)


class Host:
    """Another mail host. `context`: how it speaks TLS, at STARTTLS or, with `implicit`, from the first byte. `replies` are
    for each command, or a function that gives one. It keeps what it was told."""

    def __init__(self, case, context=None, implicit=False, extensions=(), address="127.0.0.1", port=0,
                 **replies):
        self.context = context
        self.implicit = implicit
        self.extensions = extensions
        self.replies = replies
        # (peer's address, every line that came)
        self.sessions = []
        self._socket = socket.create_server((address, port))
        self.port = self._socket.getsockname()[1]
        case.addCleanup(self._close)
        threading.Thread(target=self._accept, daemon=True).start()

    def _close(self):
        # Or the port is taken for as long as a connection is waited for.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def lines(self, verb):
        """All that began with it, in order."""
        return [line for _, lines in self.sessions for line in lines if line.upper().startswith(verb)]

    def _accept(self):
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            lines = []
            self.sessions.append((peer[0], lines))
            threading.Thread(target=self._serve, args=(connection, lines), daemon=True).start()

    def _serve(self, connection, lines):
        try:
            with self._secure(connection) if self.implicit else connection as secured:
                self._talk(secured, lines)
        except (OSError, ValueError):
            pass

    def _secure(self, connection):
        return self.context.wrap_socket(connection, server_side=True)

    def _talk(self, connection, lines):
        connection.sendall(b"220 mx.far.test\r\n")
        if self._answer(connection, lines, secured=self.implicit):
            with self._secure(connection) as secured:
                self._answer(secured, lines, secured=True)

    def _answer(self, connection, lines, secured):
        """To the end, or to STARTTLS: then it is true."""
        reader = connection.makefile("rb")
        while line := reader.readline().decode().strip():
            lines.append(line)
            verb = line.split()[0].upper()
            offered = [] if secured or self.context is None else ["STARTTLS"]
            default = {"EHLO": "\r\n".join(["250-mx.far.test", *(f"250-{word}" for word in (*offered, *self.extensions)),
                                            "250 PIPELINING"]),
                       "DATA": "354 go on", "STARTTLS": "220 go on", "QUIT": "221 bye"}.get(verb, "250 2.0.0 ok")
            reply = self.replies.get(verb, default)
            connection.sendall((reply() if callable(reply) else reply).encode() + b"\r\n")
            if verb == "STARTTLS":
                return True
            if verb == "DATA":
                while reader.readline() != b".\r\n":
                    pass
                lines.append(".")
                connection.sendall(b"250 2.0.0 taken\r\n")
        return False


class TransportCase(StackCase):

    def start(self, relay=None, **stored_flags):
        self.stack = self.new_stack()
        self.stack.add_stored(**{"retry_schedule": "1h", "secrets_key_file": self.stack.folder / "secrets.key", **stored_flags})
        self.stack.add_smtpd()
        self.stack.add_pop3d()
        [self.user] = self.stack.add_accounts("user")
        # Whose certificates the relay believes.
        self.authority = Authority(self.stack.folder / "other-ca")
        self.relay = self.stack.add_relay(environment={"SSL_CERT_FILE": str(self.authority.cert)}, **(relay or {}))

    def context(self, names=("mx.far.test",), addresses=("127.0.0.1",), authority=None):
        """Of a host with such a certificate."""
        cert, key = (authority or self.authority).issue(names[0], names[1:], addresses)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context

    def route(self, host, *more, destination="default", **options):
        self.stack.ctl.run("route", "set", destination, "--via", f"127.0.0.1:{host.port}", *more, **options)

    def submit(self, *recipients, options=""):
        with self.stack.submission(self.user) as session:
            session.deliver(self.user, list(recipients) or [FRIEND], MAIL, options)

    def queued(self):
        return self.stack.ctl.json("queue", "list")["messages"]

    def await_empty(self):
        wait_until(lambda: not self.queued(), 30, "an empty queue", interval=0.05)

    def await_deferral(self):
        """The recipient, when its first attempt was heard of."""
        def deferred():
            [message] = self.queued()
            [recipient] = message["recipients"]
            return recipient if recipient.get("reply_time") else None
        return wait_until(deferred, 30, "a deferral", interval=0.05)


class DestinationTest(TransportCase):
    """RFC 5321 section 5.1: hosts that are ourselves, and those that are no better, take nothing."""

    @classmethod
    def setUpClass(cls):
        zones = Zones(cls)
        zones.add("dns.test", f"""
host-ours IN A {OURS}
host-also IN A {ALSO_OURS}
host-far IN A {FAR}
host-flagged IN A 203.0.113.9
host-loopback IN A 127.0.0.1
host-private IN A 10.1.2.3
ours IN MX 10 host-ours
also IN MX 10 host-also
named IN MX 10 mx.example.test.
flagged IN MX 10 host-flagged
flaggedname IN MX 10 lb.example.net.
backup IN MX 10 mx.example.test.
backup IN MX 20 host-far
better IN MX 5 host-far
better IN MX 10 mx.example.test.
better IN MX 20 host-ours
loopback IN MX 10 host-loopback
private IN MX 10 host-private
null IN MX 0 .
""")
        zones.add("signed.test", f"@ IN MX 10 mx\nmx IN A {FAR}", signed=True)
        cls.dns = Unbound(cls, zones, Nsd(cls, zones))

    def start_relay(self, **flags):
        self.start(relay=dict(delivery_port=MX_PORT, dns_servers=f"127.0.0.1:{self.dns.port}",
                              delivery_own_hosts="203.0.113.9, LB.example.net", **flags))

    def returned(self, *recipients, options=""):
        """{recipient: status} of what comes back at once."""
        self.submit(*recipients, options=options)
        self.await_empty()
        statuses = {}
        for notice in self.stack.fetch_all(self.user):
            names = re.findall(rb"^Final-Recipient: rfc822; *(\S+)\r$", notice, re.MULTILINE)
            codes = re.findall(rb"^Status: (\S+)\r$", notice, re.MULTILINE)
            statuses.update({name.decode(): code.decode() for name, code in zip(names, codes)})
        return statuses

    def test_our_own_hosts(self):
        self.start_relay(mx_listen=f"{OURS}:{MX_PORT}")
        far = Host(self, address=FAR, port=MX_PORT)
        expected = {"a@ours.dns.test": "5.4.6", "a@named.dns.test": "5.4.6", "a@flagged.dns.test": "5.4.6",
                    "a@flaggedname.dns.test": "5.4.6", "a@backup.dns.test": "5.4.6", f"a@[{OURS}]": "5.4.6",
                    "a@loopback.dns.test": "5.4.4", "a@private.dns.test": "5.4.4", "a@null.dns.test": "5.1.10",
                    "a@nothing.dns.test": "5.1.2"}
        self.assertEqual(expected, self.returned(*expected, "a@better.dns.test"))
        self.assertEqual(["RCPT TO:<a@better.dns.test>"], far.lines("RCPT"))

    def test_requiretls_wants_hosts_that_dnssec_proves(self):
        self.start_relay()
        far = Host(self, self.context(("mx.signed.test",)), extensions=["REQUIRETLS"], address=FAR, port=MX_PORT)
        self.assertEqual({"a@better.dns.test": "5.7.10"},
                         self.returned("a@better.dns.test", "a@signed.test", options="REQUIRETLS"))
        self.assertEqual(["RCPT TO:<a@signed.test>"], far.lines("RCPT"))
        self.assertIn(" REQUIRETLS", far.lines("MAIL")[0])

    def test_a_wildcard_is_every_address_of_the_machine(self):
        self.start_relay(mx_listen=f"0.0.0.0:{MX_PORT}")
        self.assertEqual({"a@ours.dns.test": "5.4.6", "a@also.dns.test": "5.4.6", "a@loopback.dns.test": "5.4.4"},
                         self.returned("a@ours.dns.test", "a@also.dns.test", "a@loopback.dns.test"))


class WorkTest(TransportCase):

    def test_a_session_that_takes_its_time_holds_up_nothing(self):
        self.start(relay=dict(threads=1))
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def slowly():
            go_on.wait()
            return "250 2.1.0 ok"
        slow, quick = Host(self, MAIL=slowly), Host(self)
        self.route(slow, destination="slow.test")
        self.route(quick)
        self.submit("a@slow.test")
        wait_until(lambda: slow.lines("MAIL"), 30, "a session that is under way")
        self.submit()
        wait_until(lambda: quick.lines("."), 30, "what is new meanwhile")
        # Work is waited for, not asked for again and again: each call lasts a second.
        began, before = time.monotonic(), self.lease_calls()
        wait_until(lambda: self.lease_calls() >= before + 4, 30, "calls for work")
        self.assertGreater(time.monotonic() - began, 2)
        go_on.set()
        self.await_empty()

    def lease_calls(self):
        return admin.total(self.stack.stored.metrics(), "mailstead_store_calls_total", method="RelayService/LeaseAttempts")


class TlsTest(TransportCase):

    def test_submissions_is_tls_from_the_first_byte(self):
        self.start()
        host = Host(self, self.context(), implicit=True, port=465)
        for tls, verified in (("may", "false"), ("require", "false"), ("verify", "true")):
            self.route(host, "--tls", tls)
            self.submit()
            self.await_empty()
            got = list(self.relay.process.events(event="attempted"))[-1]
            self.assertEqual(("TLSv1.3", verified), (got["tls"], got["verified"]), tls)
            self.assertTrue(got["cipher"], got)
        self.assertEqual([], host.lines("STARTTLS"))
        self.assertEqual(3, len(host.lines("DATA")))
        [first, *_] = self.relay.process.events(event="connected")
        self.assertEqual(("tls", "127.0.0.1", "465"), (first["result"], first["address"], first["port"]))
        self.assertGreater(self.relay.metrics()[("mailstead_relay_connections_total", (("result", "tls_verified"),))], 0)

    def test_our_own_submissions_is_such_a_host(self):
        self.start()
        smarthost = self.new_stack()
        smarthost.add_stored()
        smarthost.tls_cert, smarthost.tls_key = self.authority.issue("smarthost.test")
        smarthost.add_smtpd(submissions_listen="127.0.0.1:465")
        [there] = smarthost.add_accounts("user")
        self.stack.ctl.run("route", "set", "default", "--via", "127.0.0.1:465", "--user", there, "--password_stdin",
                           input=PASSWORD + "\n")
        self.assertEqual("ROUTE_TLS_VERIFY", self.stack.ctl.json("route", "show", "default")["tls"])
        self.submit()
        self.await_empty()
        [message] = smarthost.ctl.json("queue", "list")["messages"]
        self.assertEqual([FRIEND], [recipient["address"] for recipient in message["recipients"]])

    def test_nothing_is_said_in_the_clear_where_tls_is_expected(self):
        self.start()
        host = Host(self, port=465)
        self.route(host)
        self.submit()
        self.await_deferral()
        self.assertEqual([], host.lines("EHLO") + host.lines("MAIL"))
        # As the operator says.
        self.route(host, "--tls", "none")
        self.stack.ctl.run("queue", "retry", "--all")
        self.await_empty()
        self.assertEqual(1, len(host.lines("MAIL")))


class RequireTlsTest(TransportCase):
    """RFC 8689."""

    def test_what_a_host_must_have(self):
        self.start()
        strangers = Authority(self.stack.folder / "strangers-ca")
        rows = [
            ("takes it", dict(context=self.context(), extensions=["REQUIRETLS"]), None),
            ("does not know it", dict(context=self.context()), "5.7.30"),
            ("has no TLS", dict(extensions=["REQUIRETLS"]), "5.7.10"),
            ("has another's certificate", dict(context=self.context(addresses=("127.0.0.9",)), extensions=["REQUIRETLS"]),
             "5.7.10"),
            ("has a stranger's certificate", dict(context=self.context(authority=strangers), extensions=["REQUIRETLS"]),
             "5.7.10"),
        ]
        for what, options, status in rows:
            with self.subTest(what):
                host = Host(self, **options)
                # The sender's word counts for more than the route's.
                self.route(host, "--tls", "none")
                self.submit(options="REQUIRETLS")
                self.await_empty()
                returned = self.stack.fetch_all(self.user)
                if status is None:
                    self.assertEqual([], returned)
                    [mail] = host.lines("MAIL")
                    self.assertIn(" REQUIRETLS", mail)
                    continue
                self.assertEqual([], host.lines("MAIL") + host.lines("DATA"))
                [notice] = returned
                self.assertIn(f"Status: {status}\r\n".encode(), notice)
                # Section 5: no more than the header.
                self.assertIn(b"Subject: hello", notice)
                self.assertNotIn(b"private words", notice)

    def test_it_is_offered_under_tls_only(self):
        self.start()
        with self.stack.mx() as session:
            self.assertNotIn("REQUIRETLS", session.capabilities)
            self.assertEqual(555, session.command(f"MAIL FROM:<{self.user}> REQUIRETLS").code)
        with self.stack.mx(tls="starttls") as session:
            self.assertIn("REQUIRETLS", session.capabilities)
            session.expect(250, "MAIL FROM:<a@far.test> REQUIRETLS")

    def test_a_header_field_takes_nothing_away(self):
        """Section 4.1: with REQUIRETLS, TLS-Required: No is not heard."""
        self.start()
        host = Host(self)
        self.route(host)
        with self.stack.submission(self.user) as session:
            session.deliver(self.user, [FRIEND], b"TLS-Required: No\r\n" + MAIL, "REQUIRETLS")
        self.await_empty()
        self.assertEqual([], host.lines("MAIL"))


class IdentityTest(TransportCase):

    def test_source_and_name_by_route(self):
        self.start()
        hosts = [Host(self), Host(self)]
        names = ("out1.example.test", "out2.example.test")
        for number, host in enumerate(hosts):
            self.route(host, "--source", SOURCES[number], "--ehlo", names[number], destination=f"far{number}.test")
        self.submit("a@far0.test", "b@far1.test")
        self.await_empty()
        for number, host in enumerate(hosts):
            self.assertEqual([SOURCES[number]], [peer for peer, _ in host.sessions])
            self.assertEqual([f"EHLO {names[number]}"], host.lines("EHLO"))

    def test_a_retry_comes_from_the_same_address(self):
        """Greylisting knows us by it."""
        self.start(retry_schedule="1s")
        answers = iter(["451 4.7.1 Greylisted"])
        host = Host(self, RCPT=lambda: next(answers, "250 2.1.5 ok"))
        self.route(host, "--source", SOURCES[1])
        self.submit()
        self.await_empty()
        self.assertEqual({SOURCES[1]}, {peer for peer, _ in host.sessions})
        self.assertEqual(2, len(host.lines("RCPT")))

    def test_a_source_of_another_family(self):
        self.start()
        self.route(Host(self), "--source", "2001:db8::7")
        self.submit()
        recipient = self.await_deferral()
        self.assertEqual("4.4.4", recipient["reply_status"])
        self.assertIn("family", recipient["reply_text"])

    def test_the_wait_that_a_host_asks_for_is_given_once(self):
        self.start()
        host = Host(self, RCPT="451 4.7.1 Greylisted, please try again in 7 minutes")
        self.route(host)
        self.submit()
        self.assertAlmostEqual(7 * 60, self.wait_of(self.await_deferral()), delta=30)
        self.stack.ctl.run("queue", "retry", "--all")
        wait_until(lambda: len(host.lines("RCPT")) == 2, 30, "a second attempt")
        # By the schedule, an hour with its jitter.
        wait_until(lambda: self.wait_of(self.await_deferral()) > 50 * 60, 30, "the schedule's time")

    @staticmethod
    def wait_of(recipient):
        """From the reply to the next attempt, in seconds."""
        def seconds(text):
            return datetime.datetime.fromisoformat(re.sub(r"(\.\d+)?Z$", "+00:00", text)).timestamp()
        return seconds(recipient["next_attempt_time"]) - seconds(recipient["reply_time"])


if __name__ == "__main__":
    unittest.main()
