"""STARTTLS and STLS without injection, certificates that are reloaded, old protocol versions refused."""

import hashlib
import os
import socket
import ssl
import time
import unittest

from mailstead import admin
from mailstead.certs import insecure_context, not_after
from mailstead.pop3 import Pop3
from mailstead.process import program_argv, run_tool, wait_until
from mailstead.smtp import Smtp
from mailstead.stack import SharedStackCase, StackCase


def fingerprint(wire):
    return hashlib.sha256(wire.socket.getpeercert(binary_form=True)).hexdigest()


class StartTlsTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        super().build(stack)
        [cls.user] = stack.add_accounts("user")

    def test_smtp_bytes_before_the_handshake_are_thrown_away(self):
        for listener in ("mx", "submission"):
            with self.subTest(listener):
                with Smtp(self.stack.smtpd.ports[listener]) as session:
                    session.send(b"STARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<evil@elsewhere.test>\r\n")
                    self.assertEqual(220, session.reply().code)
                    self.assertEqual(b"", session.buffer)
                    session.start_tls(self.stack.context)
                    self.assertTrue(session.silent_for(0.3), "a command from before the handshake was answered")
                    # The session starts anew: the EHLO of before is forgotten.
                    self.assertIn(session.command("MAIL FROM:<a@elsewhere.test>").code, (503, 530))
                    session.ehlo()
                    self.assertNotIn("STARTTLS", session.capabilities)
                    self.assertIn(session.command(f"RCPT TO:<{self.user}>").code, (503, 530))
                    self.assertIn(session.command("STARTTLS").code, (502, 503))

    def test_smtp_transaction_of_before_is_forgotten(self):
        with self.stack.mx() as session:
            session.envelope("evil@elsewhere.test", self.user)
            # Within a transaction STARTTLS is out of order, or ends it; in neither case does it survive.
            if session.command("STARTTLS").code == 220:
                session.start_tls(self.stack.context)
                session.ehlo()
                self.assertIn(session.command("DATA").code, (503, 554))

    def test_pop3_bytes_before_the_handshake_are_thrown_away(self):
        with Pop3(self.stack.pop3d.ports["pop3"]) as session:
            session.send(b"STLS\r\nUSER " + self.user.encode() + b"\r\nCAPA\r\n")
            self.assertTrue(session.line().startswith(b"+OK"))
            session.start_tls(self.stack.context)
            self.assertTrue(session.silent_for(0.3), "a command from before the handshake was answered")
            self.assertTrue(session.command("PASS correct horse battery").startswith("-ERR"))
            self.assertNotIn("STLS", session.capa())
            session.login(self.user, "correct horse battery")
            self.assertTrue(session.command("STLS").startswith("-ERR"))
            session.quit()

    def test_user_before_stls_is_forgotten(self):
        with Pop3(self.stack.pop3d.ports["pop3"]) as session:
            session.command(f"USER {self.user}")
            session.ok("STLS")
            session.start_tls(self.stack.context)
            self.assertTrue(session.command("PASS correct horse battery").startswith("-ERR"))

    def test_login_needs_tls(self):
        with Smtp(self.stack.smtpd.ports["submission"]) as session:
            self.assertNotIn("AUTH", session.capabilities)
            self.assertEqual(530, session.login(self.user, "correct horse battery").code)
        with Pop3(self.stack.pop3d.ports["pop3"]) as session:
            capabilities = [line.split()[0] for line in session.capa()]
            self.assertNotIn("USER", capabilities)
            self.assertNotIn("SASL", capabilities)
            self.assertIn("STLS", capabilities)
            self.assertTrue(session.command(f"USER {self.user}").startswith("-ERR"))
            self.assertTrue(session.command("AUTH PLAIN AGEAYg==").startswith("-ERR"))

    def test_old_versions_are_refused(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = insecure_context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            for port in (self.stack.smtpd.ports["submissions"], self.stack.pop3d.ports["pop3s"]):
                with self.assertRaises((ssl.SSLError, OSError)):
                    Smtp(port, tls="implicit", context=context, greet=False)

    def test_new_versions_are_taken(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.stack.authority.client_context()
            context.minimum_version = context.maximum_version = version
            with Smtp(self.stack.smtpd.ports["submissions"], tls="implicit", context=context) as session:
                session.quit()


class CertificateTest(StackCase):

    def ports(self, stack):
        return ((Smtp, stack.smtpd.ports["submissions"]), (Pop3, stack.pop3d.ports["pop3s"]))

    def test_changed_files_are_used_by_new_connections(self):
        stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd()
        stack.add_pop3d()
        old = {}
        for client, port in self.ports(stack):
            old[port] = client(port, tls="implicit", context=stack.context)
        before = fingerprint(next(iter(old.values())))

        def ends(server):
            return admin.total(server.metrics(), "mailstead_certificate_not_after_seconds")

        for server in (stack.smtpd, stack.pop3d):
            self.assertEqual(not_after(stack.tls_cert), ends(server))
        stack.authority.issue("mx.example.test", into=(stack.tls_cert, stack.tls_key), days=7)

        def changed(client, port):
            with client(port, tls="implicit", context=stack.context) as session:
                return fingerprint(session) != before

        for client, port in self.ports(stack):
            wait_until(lambda: changed(client, port), 30, "the new certificate", interval=0.2)
        for session in old.values():
            session.quit()
        for server in (stack.smtpd, stack.pop3d):
            self.assertEqual(not_after(stack.tls_cert), ends(server))
            self.assertAlmostEqual(time.time() + 7 * 86400, ends(server), delta=600)
            self.assertEqual([], server.process.events(event="started")[1:], "it was not started again for that")

    def test_broken_files_leave_the_old_pair_in_use(self):
        stack = self.new_stack()
        stack.add_stored()
        smtpd = stack.add_smtpd()
        cert = stack.tls_cert.read_bytes()
        stack.tls_cert.write_bytes(cert[:len(cert) // 2])
        smtpd.process.wait_for_line(lambda line: "level=warning" in line and "mx.example.test.crt" in line or
                                    "level=error" in line and "mx.example.test.crt" in line,
                                    what="a line that names the broken file")
        with Smtp(smtpd.ports["submissions"], tls="implicit", context=stack.context) as session:
            session.quit()

    def test_self_signed_pair_is_made_once_and_kept(self):
        stack = self.new_stack()
        stack.add_stored()
        folder = stack.folder / "self-signed"
        folder.mkdir()
        smtpd = stack.add_smtpd(tls_cert=None, tls_key=None, tls_self_signed_dir=folder)
        smtpd.process.wait_for_line(lambda line: "level=warning" in line and "self" in line, what="a warning")

        def seen(port):
            with Smtp(port, tls="implicit", context=insecure_context()) as session:
                return fingerprint(session)

        first = seen(smtpd.ports["submissions"])
        self.assertEqual(0o600, (folder / "tls.key").stat().st_mode & 0o777)
        # A pop3d with the same folder, and a second start, use the same pair.
        pop3d = stack.add_pop3d(tls_cert=None, tls_key=None, tls_self_signed_dir=folder)
        self.assertEqual(0, smtpd.terminate())
        smtpd.restart()
        self.assertEqual(first, seen(smtpd.ports["submissions"]))
        with Pop3(pop3d.ports["pop3s"], tls="implicit", context=insecure_context()) as session:
            self.assertEqual(first, fingerprint(session))

    def test_an_operators_pair_in_that_folder_is_never_replaced(self):
        stack = self.new_stack()
        stack.add_stored()
        folder = stack.folder / "tls"
        folder.mkdir()
        cert, key = folder / "tls.crt", folder / "tls.key"
        stack.authority.issue("other.test", into=(cert, key))
        smtpd = stack.add_smtpd(tls_cert=None, tls_key=None, tls_self_signed_dir=folder)
        noted = smtpd.process.wait_for_event("certificate_without_hostname", hostname=stack.hostname)
        self.assertEqual("other.test,localhost,127.0.0.1", noted["names"])

        def seen():
            with Smtp(smtpd.ports["submissions"], tls="implicit", context=insecure_context()) as session:
                return fingerprint(session)

        before = seen()
        # The steps of who replaces it by hand, each looked at.
        for step, said in ((cert.unlink, "tls.crt is missing"), (key.unlink, "are missing")):
            start = smtpd.process.line_count()
            step()
            smtpd.process.wait_for_line(lambda line: "event=certificate_not_reloaded" in line and said in line,
                                        what=said, start=start)
            self.assertEqual(before, seen())
            self.assertFalse(cert.exists())
        stack.authority.issue(stack.hostname, into=(cert, key))
        wait_until(lambda: seen() != before, 30, "the new certificate", interval=0.2)

        # At a start half a pair is no pair, and is left alone.
        saved = cert.read_bytes()
        key.unlink()
        self.assertEqual(0, smtpd.terminate())
        done = run_tool(program_argv("smtpd", {**smtpd.flags, "admin_listen": "127.0.0.1:0"}), timeout=20)
        self.assertEqual(2, done.returncode, done.stderr)
        self.assertIn(f"{key} is missing", done.stderr.decode())
        self.assertFalse(key.exists())
        self.assertEqual(saved, cert.read_bytes())

    def test_another_hostname_is_added_to_a_self_signed_certificate(self):
        stack = self.new_stack()
        stack.add_stored()
        folder = stack.folder / "self-signed"
        smtpd = stack.add_smtpd(tls_cert=None, tls_key=None, tls_self_signed_dir=folder)
        key = (folder / "tls.key").read_bytes()
        self.assertEqual(0, smtpd.terminate())
        smtpd.flags["hostname"] = "mail.example.test"
        smtpd.restart()
        self.assertEqual(key, (folder / "tls.key").read_bytes())
        context = ssl.create_default_context(cafile=folder / "tls.crt")
        for name in ("mail.example.test", stack.hostname):
            with socket.create_connection(("127.0.0.1", smtpd.ports["submissions"]), timeout=30) as plain:
                with context.wrap_socket(plain, server_hostname=name) as connection:
                    self.assertTrue(connection.recv(100).startswith(b"220 mail.example.test"))

    def test_files_that_do_not_belong_together(self):
        stack = self.new_stack()
        stack.add_stored()
        other_cert, other_key = stack.authority.issue("other.test")
        for program in ("smtpd", "pop3d"):
            for cert, key, named in ((stack.tls_cert, other_key, "tls_cert"),
                                     (stack.folder / "no.crt", other_key, "no.crt"),
                                     (stack.tls_cert, None, "tls_key")):
                listeners = (dict(mx_listen="127.0.0.1:0", submission_listen="", submissions_listen="127.0.0.1:0")
                             if program == "smtpd" else dict(pop3_listen="", pop3s_listen="127.0.0.1:0"))
                flags = {**stack.frontend_flags(program), **listeners, "tls_cert": cert, "tls_key": key}
                done = run_tool(program_argv(program, flags), timeout=20)
                self.assertEqual(2, done.returncode, done.stderr)
                self.assertIn(named, done.stderr.decode())
                self.assertEqual(1, len(done.stderr.decode().strip().splitlines()), done.stderr)


class TicketTest(StackCase):
    """Sessions that are resumed at another replica, by keys that the store makes and changes."""

    # Of stored: a key seals so long, and opens as long afterwards.
    PERIOD = 6

    def connect(self, port, context, session=None):
        """Whether the session was resumed, and one to resume next."""
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
                # Under TLS 1.3 the ticket comes with the first bytes.
                connection.recv(100)
                return connection.session_reused, connection.session

    def contexts(self, stack):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = stack.authority.client_context()
            context.minimum_version = context.maximum_version = version
            yield version, context

    def shared(self, *servers):
        for server in servers:
            server.process.wait_for_event("ticket_keys_shared")

    def test_a_session_resumes_at_another_replica(self):
        stack = self.new_stack()
        stored = stack.add_stored()
        one, two, pop3d = stack.add_smtpd(), stack.add_smtpd(), stack.add_pop3d()
        self.shared(one, two, pop3d)
        port, other = one.ports["submissions"], two.ports["submissions"]
        for version, context in self.contexts(stack):
            with self.subTest(version):
                _, session = self.connect(port, context)
                self.assertTrue(self.connect(other, context, session)[0])
                # pop3d has keys of its own.
                self.assertFalse(self.connect(pop3d.ports["pop3s"], context, session)[0])

                # While the store is away, and when it is back with other keys.
                stored.kill()
                self.assertTrue(self.connect(other, context, session)[0])
                self.assertTrue(self.connect(other, context, self.connect(port, context)[1])[0])
                stored.restart()
                one.wait_ready()
                two.wait_ready()
                self.assertTrue(self.connect(other, context, session)[0])

        # One that comes now has the new key only, and so have the others once they have asked.
        three = stack.add_smtpd()
        self.shared(three)
        for version, context in self.contexts(stack):
            with self.subTest(version):
                wait_until(lambda: self.connect(three.ports["submissions"], context, self.connect(port, context)[1])[0],
                           60, "the key of the new store", interval=0.5)

    def test_without_the_store_a_key_of_its_own(self):
        stack = self.new_stack()
        stored = stack.add_stored()
        stored.kill()
        stored.keep_ports()
        smtpd = stack.add_smtpd(ready=False)
        smtpd.process.wait_for_event("ticket_keys_not_shared")
        for _, context in self.contexts(stack):
            _, session = self.connect(smtpd.ports["submissions"], context)
            self.assertTrue(self.connect(smtpd.ports["submissions"], context, session)[0])
        stored.start()
        self.shared(smtpd)

    def test_an_old_key_opens_for_a_while(self):
        stack = self.new_stack()
        stored = stack.add_stored(ticket_key_period=f"{self.PERIOD}s")
        one, two = stack.add_smtpd(), stack.add_smtpd()
        self.shared(one, two)

        def next_key(start):
            stored.process.wait_for_event("ticket_key_made", start=start)
            return stored.process.line_count()

        made = next_key(stored.process.line_count())
        # It seals an eighth of the period later, and all have asked by then.
        time.sleep(self.PERIOD / 4)
        sessions = [(version, context, self.connect(one.ports["submissions"], context)[1])
                    for version, context in self.contexts(stack)]
        made = next_key(made)
        time.sleep(self.PERIOD / 4)
        for version, context, session in sessions:
            with self.subTest(version, after="one rotation"):
                self.assertTrue(self.connect(two.ports["submissions"], context, session)[0])
        # The third after it is made when its own time is over.
        made = next_key(next_key(made))
        for version, context, session in sessions:
            with self.subTest(version, after="its age"):
                self.assertFalse(self.connect(two.ports["submissions"], context, session)[0])

    def test_a_file_overrides_the_store(self):
        stack = self.new_stack()
        stack.add_stored()
        key = stack.folder / "ticket.key"
        key.write_bytes(os.urandom(48))
        key.chmod(0o600)
        one = stack.add_smtpd(tls_ticket_key_file=key)
        two, other = stack.add_pop3d(tls_ticket_key_file=key), stack.add_smtpd()
        self.shared(other)
        for version, context in self.contexts(stack):
            with self.subTest(version):
                _, session = self.connect(one.ports["submissions"], context)
                self.assertTrue(self.connect(two.ports["pop3s"], context, session)[0])
                self.assertFalse(self.connect(other.ports["submissions"], context, session)[0])
        self.assertEqual([], one.process.events(event="ticket_keys_shared"))


if __name__ == "__main__":
    unittest.main()
