"""The PROXY protocol (versions 1 and 2), believed only from configured networks."""

import ipaddress
import struct
import unittest

from mailstead.pop3 import Pop3
from mailstead.smtp import Smtp
from mailstead.stack import SharedStackCase
from mailstead.trace import strip_trace

MAIL = b"Subject: proxy\r\n\r\nHello\r\n"
BALANCER = "127.0.0.2"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version1(source, destination="192.0.2.1", port=40000):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {port} 25\r\n".encode()


def version2(source, destination="192.0.2.1", port=40000, tlvs=b""):
    one, other = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    body = one.packed + other.packed + struct.pack(">HH", port, 25) + tlvs
    return SIGNATURE + bytes([0x21, 0x21 if one.version == 6 else 0x11]) + struct.pack(">H", len(body)) + body


LOCAL = SIGNATURE + bytes([0x20, 0x00]) + b"\0\0"


class ProxyProtocolTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        # With a pause before the greeting, so that who speaks too early is surely found out.
        stack.add_smtpd(proxy_networks=f"{BALANCER}/32", max_connections_per_address=2, greeting_delay="200ms")
        stack.add_pop3d(proxy_networks=f"{BALANCER}/32")
        stack.add_pop3d("plain-pop3d")
        [cls.user] = stack.add_accounts("user")

    def through(self, header, kind=Smtp, listener="mx", tls=None):
        server = self.stack.smtpd if kind is Smtp else self.stack.pop3d
        session = kind(server.ports[listener], source=BALANCER, greet=False)
        session.send(header)
        if tls:
            session.start_tls(self.stack.context)
        return session

    def received_by(self, header):
        with self.through(header) as session:
            self.assertEqual(220, session.reply().code)
            session.ehlo()
            session.deliver("a@elsewhere.test", self.user, MAIL)
            session.quit()
        plain = next(server for server in self.stack.servers if server.name == "plain-pop3d")
        [raw] = self.stack.fetch_all(self.user, server=plain)
        return strip_trace(raw).received.decode()

    def test_both_versions_carry_the_address(self):
        for header, shown in ((version1("192.0.2.7"), "[192.0.2.7]"), (version1("2001:db8::7", "2001:db8::1"),
                                                                       "[IPv6:2001:db8::7]"),
                              (version2("192.0.2.8"), "[192.0.2.8]"),
                              (version2("2001:db8::8", "2001:db8::1"), "[IPv6:2001:db8::8]"),
                              (version2("192.0.2.9", tlvs=b"\x04\x00\x10" + b"\0" * 16), "[192.0.2.9]")):
            with self.subTest(shown):
                self.assertIn(shown, self.received_by(header))
        self.stack.smtpd.process.wait_for_line(lambda line: "client=192.0.2.7" in line, what="the address in the log")

    def test_the_balancer_may_speak_for_itself(self):
        for header in (LOCAL, b"PROXY UNKNOWN\r\n"):
            with self.subTest(header):
                self.assertIn(f"[{BALANCER}]", self.received_by(header))

    def test_header_comes_before_tls(self):
        with self.through(version2("192.0.2.7"), listener="submissions", tls="implicit") as session:
            self.assertEqual(220, session.reply().code)
        with self.through(version2("192.0.2.7"), Pop3, "pop3s", tls="implicit") as session:
            self.assertTrue(session.line().startswith(b"+OK"))
            session.login(self.user, "correct horse battery")
            session.quit()
        self.stack.pop3d.process.wait_for_line(lambda line: "client=192.0.2.7" in line, what="the address in the log")

    def test_header_and_commands_of_the_client_in_one_packet(self):
        """The client behind the balancer waits for the greeting; the header is not the client's talk."""
        with self.through(version1("192.0.2.17")) as session:
            self.assertEqual(220, session.reply().code)
        with self.through(version1("192.0.2.17") + b"EHLO early.test\r\n") as session:
            self.assertEqual(554, session.reply().code)

    def test_not_believed_from_elsewhere(self):
        for header in (version1("192.0.2.66"), version2("192.0.2.66")):
            with self.subTest(header[:6]):
                with Smtp(self.stack.smtpd.ports["mx"], greet=False) as session:
                    session.send(header)
                    first = session.socket.recv(512)
                    self.assertTrue(first.startswith(b"554 "), first)
                with Pop3(self.stack.pop3d.ports["pop3"]) as session:
                    session.send(header)
                    self.assertTrue(session.line().startswith(b"-ERR"))
        for server in (self.stack.smtpd, self.stack.pop3d):
            self.assertNotIn("192.0.2.66", server.process.text())

    def test_broken_headers_close_the_connection(self):
        for header in (b"PROXY TCP4 999.0.0.1 192.0.2.1 1 25\r\n", b"PROXY TCP4 192.0.2.7\r\n", b"PROXY " + b"x" * 600,
                       SIGNATURE + b"\x31\x11\0\x0c" + b"\0" * 12, SIGNATURE + b"\x21\x11\xff\xff" + b"\0" * 3000,
                       b"EHLO client.test\r\n"):
            with self.subTest(header[:20]):
                for kind, listener in ((Smtp, "mx"), (Pop3, "pop3")):
                    with self.through(header, kind, listener) as session:
                        self.assertTrue(session.at_end(20))

    def test_limits_count_the_client_and_not_the_balancer(self):
        sessions = [self.through(version1(f"192.0.2.{host}")) for host in (30, 30, 31, 32, 33)]
        self.assertEqual([220] * 5, [session.reply().code for session in sessions])
        with self.through(version1("192.0.2.30")) as session:
            self.assertEqual(421, session.reply().code)
        for session in sessions:
            session.close()


if __name__ == "__main__":
    unittest.main()
