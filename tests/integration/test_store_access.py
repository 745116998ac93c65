"""Who may call the store: tokens with roles, or certificates. A wrong one is said clearly, and readiness is red."""

import re
import unittest

from mailstead.ctl import Mailctl
from mailstead.process import wait_until
from mailstead.stack import StackCase

MAIL = b"Subject: access\r\n\r\nHello\r\n"


class TokenTest(StackCase):

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored()
        [self.user] = stack.add_accounts("user")

    def test_tokens_are_made_for_their_owner_only(self):
        tokens = []
        for name in ("frontend.token", "operator.token"):
            path = self.stack.folder / name
            self.assertEqual(0o600, path.stat().st_mode & 0o777)
            tokens.append(path.read_text(encoding="ascii").strip())
            self.assertGreaterEqual(len(tokens[-1]), 20)
            self.assertNotIn(tokens[-1], self.stack.stored.process.text())
        self.assertNotEqual(*tokens)
        # A second start keeps them.
        self.assertEqual(0, self.stack.stored.terminate())
        self.stack.stored.restart()
        self.assertEqual(tokens[1], (self.stack.folder / "operator.token").read_text(encoding="ascii").strip())
        self.stack.ctl.json("domain", "list")

    def assert_says_why(self, server):
        """Readiness is red, and says that it is for the token."""
        def reason():
            status, text = server.admin("/readyz")
            return text if status == 503 and re.search("token|credential|unauthenticated", text.lower()) else None
        return wait_until(reason, what=f"{server.name} says why it is not ready: {server.admin('/readyz')}")

    def test_a_wrong_token_makes_front_ends_red_and_the_right_one_green(self):
        wrong = self.stack.folder / "wrong.token"
        wrong.write_text("this-is-not-the-token\n", encoding="ascii")
        smtpd = self.stack.add_smtpd(ready=False, store_token_file=wrong)
        pop3d = self.stack.add_pop3d(ready=False, store_token_file=wrong)
        for server in (smtpd, pop3d):
            reason = self.assert_says_why(server)
            self.assertNotIn("this-is-not-the-token", reason + server.process.text())
        with self.stack.mx(smtpd) as session:
            session.expect(250, "MAIL FROM:<a@elsewhere.test>")
            reply = session.command(f"RCPT TO:<{self.user}>")
            self.assertEqual(451, reply.code, "a wrong set-up of ours must not bounce mail")

    def test_a_token_file_that_comes_late(self):
        """Front-ends may start before the store has made the token."""
        late = self.stack.folder / "late.token"
        smtpd = self.stack.add_smtpd(ready=False, store_token_file=late)
        pop3d = self.stack.add_pop3d(ready=False, store_token_file=late)
        for server in (smtpd, pop3d):
            self.assert_says_why(server)
        late.write_text((self.stack.folder / "frontend.token").read_text(encoding="ascii"), encoding="ascii")
        for server in (smtpd, pop3d):
            server.wait_ready()

    def test_roles(self):
        frontend = Mailctl(self.stack.stored.address, self.stack.folder / "frontend.token")
        done = frontend.raw("account", "list")
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stderr.decode().lower(), "may not")
        wrong = self.stack.folder / "wrong.token"
        wrong.write_text("this-is-not-the-token\n", encoding="ascii")
        done = Mailctl(self.stack.stored.address, wrong).raw("account", "list")
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stderr.decode().lower(), "token|credential|unauthenticated")


class MutualTlsTest(StackCase):

    def test_certificates_with_a_role(self):
        stack = self.new_stack()
        authority = stack.authority
        store_cert, store_key = authority.issue("store")
        stack.add_stored(tls_cert=store_cert, tls_key=store_key, tls_client_ca=authority.cert)
        operator_cert, operator_key = authority.issue("operator")
        frontend_cert, frontend_key = authority.issue("frontend")
        nobody_cert, nobody_key = authority.issue("nobody")

        def ctl(*arguments, cert=operator_cert, key=operator_key, input=None):
            return stack.ctl.raw(*arguments, "--store", stack.stored.address, "--tls_ca", authority.cert, "--tls_cert",
                                 cert, "--tls_key", key, input=input,
                                 environment={"MAILCTL_TOKEN_FILE": "", "MAILCTL_STORE": ""})

        self.assertEqual(0, ctl("domain", "add", "example.test").returncode)
        done = ctl("account", "add", "user@example.test", "--password_stdin", input="correct horse battery\n")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(1, ctl("domain", "list", cert=frontend_cert, key=frontend_key).returncode)
        self.assertEqual(1, ctl("domain", "list", cert=nobody_cert, key=nobody_key).returncode)

        tls = dict(store_token_file=None, store_tls_ca=authority.cert, store_tls_cert=frontend_cert,
                   store_tls_key=frontend_key)
        stack.add_smtpd(**tls)
        stack.add_pop3d(**tls)
        stack.send("user@example.test", MAIL)
        self.assertEqual(1, len(stack.fetch_all("user@example.test")))
        # Without TLS nobody gets in.
        red = stack.add_smtpd(ready=False)
        red.wait_not_ready()


if __name__ == "__main__":
    unittest.main()
