"""Who may call the store: tokens with roles, or certificates. A wrong one is said clearly, and readiness is red."""

import re
import resource
import secrets
import shutil
import socket
import unittest

from mailstead import admin
from mailstead.certs import not_after
from mailstead.ctl import Mailctl
from mailstead.process import wait_until
from mailstead.stack import ROLES, StackCase

MAIL = b"Subject: access\r\n\r\nHello\r\n"


class TokenTest(StackCase):

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored()
        [self.user] = stack.add_accounts("user")

    def test_tokens_are_made_for_their_owner_only(self):
        tokens = []
        for role in ROLES:
            path = self.stack.token(role)
            self.assertEqual(0o600, path.stat().st_mode & 0o777)
            tokens.append(path.read_text(encoding="ascii").strip())
            self.assertGreaterEqual(len(tokens[-1]), 20)
            self.assertNotIn(tokens[-1], self.stack.stored.process.text())
        self.assertEqual(len(ROLES), len(set(tokens)))
        # A second start keeps them.
        self.assertEqual(0, self.stack.stored.terminate())
        self.stack.stored.restart()
        self.assertEqual(tokens, [self.stack.token(role).read_text(encoding="ascii").strip() for role in ROLES])
        self.stack.ctl.json("domain", "list")

    def test_strangers_who_only_connect_use_up_no_descriptors(self):
        process = self.stack.stored.process
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (300, 300))
        host, port = self.stack.stored.address.split(":")
        strangers = []
        try:
            for _ in range(400):
                strangers.append(socket.create_connection((host, int(port)), timeout=10))
            process.wait_for_event("connection_refused", level="warning")
            # For files, and for what else it needs.
            self.assertLess(process.descriptor_count(), 250)
        finally:
            for stranger in strangers:
                stranger.close()
        # It has not become deaf.
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
        for role, server in (("smtp", smtpd), ("pop", pop3d)):
            late.write_text(self.stack.token(role).read_text(encoding="ascii"), encoding="ascii")
            server.wait_ready()

    def test_roles(self):
        for role in ("smtp", "pop"):
            done = Mailctl(self.stack.stored.address, self.stack.token(role)).raw("account", "list")
            self.assertEqual(1, done.returncode)
            self.assertRegex(done.stderr.decode().lower(), "may not")
        wrong = self.stack.folder / "wrong.token"
        wrong.write_text("this-is-not-the-token\n", encoding="ascii")
        done = Mailctl(self.stack.stored.address, wrong).raw("account", "list")
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stderr.decode().lower(), "token|credential|unauthenticated")


    def test_a_withdrawn_token_ends_at_once(self):
        """Also for the calls that share a stream, which began when it was good."""
        copy = self.stack.folder / "copy.token"
        shutil.copy(self.stack.token("smtp"), copy)
        smtpd = self.stack.add_smtpd(store_token_file=copy)
        pop3d = self.stack.add_pop3d()
        with self.stack.mx(smtpd) as session:
            session.expect(250, "MAIL FROM:<a@elsewhere.test>")
            session.expect(250, f"RCPT TO:<{self.user}>")
            # The store looks once a second.
            self.stack.token("smtp").write_text(f"{secrets.token_hex(32)}\n", encoding="ascii")
            wait_until(lambda: not smtpd.ready(), what="smtpd is red")
            self.assert_says_why(smtpd)
            self.assertEqual(451, session.data(MAIL).code, "no message is taken for who was shut out")
            session.expect(250, "RSET")
            session.expect(250, "MAIL FROM:<a@elsewhere.test>")
            self.assertEqual(451, session.command(f"RCPT TO:<{self.user}>").code)
        self.assertEqual([], self.stack.fetch_all(self.user), "the other role's token is as good as it was")
        self.assertTrue(pop3d.ready())
        shutil.copy(self.stack.token("smtp"), copy)
        smtpd.wait_ready()
        self.stack.send(self.user, MAIL)
        self.assertEqual(1, len(self.stack.fetch_all(self.user)))


class MutualTlsTest(StackCase):

    def test_certificates_with_a_role(self):
        stack = self.new_stack()
        authority = stack.authority
        store_cert, store_key = authority.issue("store")
        stack.add_stored(tls_cert=store_cert, tls_key=store_key, tls_client_ca=authority.cert)
        wait_until(lambda: admin.total(stack.stored.metrics(), "mailstead_certificate_not_after_seconds") ==
                   not_after(store_cert), what="the end of the certificate")
        operator_cert, operator_key = authority.issue("operator")
        smtp_cert, smtp_key = authority.issue("smtp")
        pop_cert, pop_key = authority.issue("pop")
        nobody_cert, nobody_key = authority.issue("nobody")

        def ctl(*arguments, cert=operator_cert, key=operator_key, input=None):
            return stack.ctl.raw(*arguments, "--store", stack.stored.address, "--tls_ca", authority.cert, "--tls_cert",
                                 cert, "--tls_key", key, input=input,
                                 environment={"MAILCTL_TOKEN_FILE": "", "MAILCTL_STORE": ""})

        self.assertEqual(0, ctl("domain", "add", "example.test").returncode)
        done = ctl("account", "add", "user@example.test", "--password_stdin", input="correct horse battery\n")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(1, ctl("domain", "list", cert=smtp_cert, key=smtp_key).returncode)
        self.assertEqual(1, ctl("domain", "list", cert=pop_cert, key=pop_key).returncode)
        self.assertEqual(1, ctl("domain", "list", cert=nobody_cert, key=nobody_key).returncode)

        tls = dict(store_token_file=None, store_tls_ca=authority.cert)
        stack.add_smtpd(**tls, store_tls_cert=smtp_cert, store_tls_key=smtp_key)
        stack.add_pop3d(**tls, store_tls_cert=pop_cert, store_tls_key=pop_key)
        stack.send("user@example.test", MAIL)
        self.assertEqual(1, len(stack.fetch_all("user@example.test")))
        # Without TLS nobody gets in.
        red = stack.add_smtpd(ready=False)
        red.wait_not_ready()

    def test_tls_at_a_second_address(self):
        stack = self.new_stack()
        authority = stack.authority
        cert, key = authority.issue("store")
        stack.add_stored(tls_cert=cert, tls_key=key, tls_listen="127.0.0.1:0")
        apart = f"127.0.0.1:{stack.stored.ports['store_tls']}"
        self.assertNotEqual(stack.stored.address, apart)
        # The programs of this host go on in the clear.
        stack.add_accounts("user")
        stack.add_smtpd()
        stack.send("user@example.test", MAIL)

        def ctl(*options):
            done = stack.ctl.raw("message", "list", "user@example.test", *options)
            return done.returncode, done.stderr.decode()
        self.assertEqual(0, ctl("--store", apart, "--tls_ca", authority.cert)[0])
        code, said = ctl("--store", apart)
        self.assertEqual(5, code)
        self.assertIn("it speaks TLS", said)
        code, said = ctl("--store", stack.stored.address, "--tls_ca", authority.cert)
        self.assertEqual(5, code)
        self.assertIn("does not speak TLS", said)
        # Both are closed at the end, and the same ones are open again behind it.
        self.assertEqual(0, stack.stored.terminate())
        stack.stored.restart()
        self.assertEqual(0, ctl("--store", stack.stored.address)[0])

    def test_what_keeps_mailctl_out_is_said(self):
        stack = self.new_stack()
        authority = stack.authority
        cert, key = authority.issue("store")
        stack.add_stored(tls_cert=cert, tls_key=key)

        def says(expected, *options, store=stack.stored.address):
            done = stack.ctl.raw("status", "--store", store, *options)
            self.assertEqual(5, done.returncode)
            self.assertIn(expected, done.stderr.decode())

        says("cannot be reached: it speaks TLS, and --tls_ca is not given")
        stranger = authority.issue("stranger")[0]
        says("cannot be reached: its certificate cannot be trusted", "--tls_ca", stranger)
        plain = self.new_stack()
        plain.add_stored()
        says("does not speak TLS (--tls_ca)", "--tls_ca", authority.cert, store=plain.stored.address)
        plain.stored.kill()
        says("cannot be reached\n", store=plain.stored.address)


if __name__ == "__main__":
    unittest.main()
