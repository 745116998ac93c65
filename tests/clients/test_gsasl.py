"""gsasl(1) of GNU SASL: the one client here that binds SCRAM to the TLS channel (RFC 5802, RFC 9266)."""

import unittest

from mailstead.paths import tool
from mailstead.process import run_tool

from case import ClientCase


class GsaslTest(ClientCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = cls.target.submission_port
        # Those of a server with its default settings.
        cls.mechanisms = ["SCRAM-SHA-256", "PLAIN", "LOGIN"]
        if cls.stack:
            # Without logins in the clear, so that STARTTLS is all that is offered at first.
            cls.mechanisms.insert(0, "SCRAM-SHA-256-PLUS")
            server = cls.stack.add_smtpd(sasl_mechanisms=",".join(cls.mechanisms))
            cls.port = server.ports["submission"]

    def authenticate(self, mechanism, password):
        # It starts TLS by itself when that is offered; an empty file name turns verification off.
        encryption = ["--x509-ca-file", self.target.ca_file]
        if not mechanism.endswith("-PLUS"):
            # Otherwise gsasl refuses to do with less than it could have.
            encryption.append("--no-cb")
        return run_tool([tool("gsasl"), "--smtp", "--connect", f"{self.target.host}:{self.port}",
                         "--mechanism", mechanism, "--authentication-id", self.target.address,
                         "--authorization-id", "", "--password", password, *encryption], input=b"")

    def assert_logged_in(self, done):
        self.assertIn(b"\n235 ", b"\n" + done.stdout.replace(b"\r", b""), done.stdout + done.stderr)
        self.assertEqual(0, done.returncode, done.stderr)

    def test_every_mechanism_under_tls(self):
        for mechanism in self.mechanisms:
            with self.subTest(mechanism=mechanism):
                self.assert_logged_in(self.authenticate(mechanism, self.target.password))

    def test_wrong_password(self):
        for mechanism in (each for each in self.mechanisms if each.startswith("SCRAM-")):
            with self.subTest(mechanism=mechanism):
                done = self.authenticate(mechanism, "wrong")
                self.assertIn(b"535 ", done.stdout)
                self.assertNotEqual(0, done.returncode)

    def test_all_are_offered_under_tls(self):
        done = self.authenticate(self.mechanisms[0], self.target.password)
        # The list before TLS comes first.
        *_, offered = (line for line in done.stdout.split(b"\n") if line.startswith((b"250-AUTH ", b"250 AUTH ")))
        self.assertEqual({each.encode() for each in self.mechanisms}, set(offered.split(b"AUTH ")[1].split()))


if __name__ == "__main__":
    unittest.main()
