"""Logs, metrics and health: one message followed through all programs, and no secret anywhere."""

import base64
import json
import re
import time
import unittest

from mailstead.process import Process, parse_logfmt, run_tool, program_argv
from mailstead.stack import PASSWORD, SharedStackCase, StackCase

MAIL = b"Subject: a-subject-nobody-logs\r\n\r\nA body nobody logs\r\n"


class ObservabilityTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        super().build(stack)
        [cls.user] = stack.add_accounts("user")

    def test_one_message_is_followed_through_all_programs(self):
        with self.stack.submission(self.user) as session:
            session.deliver(self.user, self.user, MAIL)
            session.quit()
        self.stack.fetch_all(self.user)
        smtpd, stored, pop3d = self.stack.smtpd.process, self.stack.stored.process, self.stack.pop3d.process
        accepted = smtpd.wait_for_line(
            lambda line: (lambda got: got if got.get("event") == "delivered" else None)(parse_logfmt(line)),
            what="the delivery in smtpd's log")
        self.assertRegex(accepted["delivery"], r"^[A-Za-z0-9_-]{16,64}$")
        self.assertEqual("127.0.0.1", next(got["client"] for got in smtpd.events(session=accepted["session"])
                                           if "client" in got))
        stored_line = stored.wait_for_line(
            lambda line: (lambda got: got if got.get("delivery") == accepted["delivery"] else None)(parse_logfmt(line)),
            what="the delivery in stored's log")
        self.assertEqual(accepted["session"], stored_line["session"])
        # The login of the POP3 session is in both logs under one id.
        fetched = pop3d.wait_for_line(
            lambda line: (lambda got: got if got.get("account") == self.user and "session" in got else None)(
                parse_logfmt(line)), what="the login in pop3d's log")
        stored.wait_for_line(lambda line: f"session={fetched['session']}" in line, what="the session in stored's log")
        # And the message is under the id that it came in with.
        retrieved = pop3d.wait_for_line(
            lambda line: (lambda got: got if got.get("event") == "retrieved" else None)(parse_logfmt(line)),
            what="the retrieval in pop3d's log")
        self.assertEqual(accepted["delivery"], retrieved["delivery"])
        self.assertEqual(fetched["session"], retrieved["session"])

    def test_a_refusal_names_the_sender(self):
        """As MAIL gave it: who asks where mail from an address has gone finds it."""
        looping = b"Received: from a by b\r\n" * 101 + MAIL
        for sender, given in (("a..b@docomo.test", "a..b@docomo.test"), ("", "<>")):
            with self.stack.mx() as session:
                session.expect(250, f"MAIL FROM:<{sender}>")
                session.expect(550, "RCPT TO:<nobody@example.test>")
                session.expect(250, f"RCPT TO:<{self.user}>")
                self.assertEqual(554, session.data(looping).code)
            event = self.stack.smtpd.process.wait_for_event
            refused = event("recipient_refused", **{"from": given})
            self.assertEqual(("unknown_recipient", "nobody@example.test"), (refused["reply"], refused["recipient"]))
            refused = event("message_refused", **{"from": given})
            self.assertEqual(("mail_loop", "mx"), (refused["reply"], refused["listener"]))
        with self.stack.mx() as session:
            session.expect(552, "MAIL FROM:<large@elsewhere.test> SIZE=99999999999")
        refused = event("message_refused", **{"from": "large@elsewhere.test"})
        self.assertEqual("message_too_big", refused["reply"])
        with self.stack.submission(self.user) as session:
            session.expect(550, "MAIL FROM:<other@elsewhere.test>")
        refused = event("sender_refused", **{"from": "other@elsewhere.test"})
        self.assertEqual("sender_not_allowed", refused["reply"])

    def test_every_line_is_one_event(self):
        self.stack.send(self.user, MAIL)
        self.stack.fetch_all(self.user)
        for server in self.stack.servers:
            for line in server.process.text().splitlines():
                fields = parse_logfmt(line)
                for key in ("time", "level", "program", "event"):
                    self.assertIn(key, fields, line)
                self.assertEqual(server.program, fields["program"])
                self.assertRegex(fields["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_no_secret_and_no_content_in_any_log(self):
        secret = base64.b64encode(f"\0{self.user}\0{PASSWORD}".encode()).decode()
        with self.stack.submission() as session:
            session.command("AUTH PLAIN")
            session.command(secret)
            session.deliver(self.user, self.user, MAIL)
        with self.stack.submission() as session:
            session.command("AUTH LOGIN")
            session.command(base64.b64encode(self.user.encode()))
            session.command(base64.b64encode(PASSWORD.encode()))
        # Typed where it does not belong.
        with self.stack.submission() as session:
            session.command(f"PASS {PASSWORD}")
            session.command(f"AUTH NONSENSE {secret}")
        with self.stack.pop3() as session:
            session.command(f"PASS {PASSWORD}")
            session.command(f"XPASS {PASSWORD}")
        self.stack.fetch_all(self.user)
        for server in self.stack.servers:
            text = server.process.text()
            for unwanted in (PASSWORD, secret, base64.b64encode(PASSWORD.encode()).decode(), "nobody logs",
                             "a-subject-nobody-logs"):
                self.assertNotIn(unwanted, text)

    def test_a_peer_cannot_forge_a_line(self):
        with self.stack.mx() as session:
            session.command(b'EHLO x\x1b[31m" event=forged level=error')
            session.command(b'MAIL FROM:<"x event=forged"@elsewhere.test>')
            session.command(b"NONSENSE\x00event=forged")
            session.quit()
        with self.stack.pop3() as session:
            session.command(b'USER x" event=forged y="')
            session.command(b"PASS no")
        for server in self.stack.servers:
            for line in server.process.text().splitlines():
                self.assertNotEqual("forged", parse_logfmt(line).get("event"), line)
                self.assertNotIn("\x1b", line)

    def test_metrics_count_what_happens(self):
        before = [server.metrics() for server in self.stack.servers]
        self.stack.send(self.user, MAIL)
        with self.stack.mx() as session:
            session.command("NONSENSE")
        self.stack.fetch_all(self.user)
        after = [server.metrics() for server in self.stack.servers]
        for server, one, other in zip(self.stack.servers, before, after):
            names = {name for name, _ in other}
            self.assertTrue(any(name.startswith(("mailstead_", f"{server.program}_")) for name in names), names)
            grown = {name for (name, labels), value in other.items() if value > one.get((name, labels), 0)}
            self.assertGreaterEqual(len(grown), 3, f"{server.name}: {grown}")

    def test_probes_are_no_traffic(self):
        """Front-ends ask for the store's health every second."""
        def called(metrics):
            return {dict(labels)["method"]: value for (name, labels), value in metrics.items()
                    if name == "mailstead_store_calls_total"}
        before = called(self.stack.stored.metrics())
        time.sleep(2.5)
        after = called(self.stack.stored.metrics())
        self.assertTrue(after)
        for method in {*before, *after}:
            self.assertNotRegex(method, "Health|Probe|Reflection")
        # What is left is the heartbeat of pop3d, and what front-ends ask about keys and logins.
        grown = {method for method, value in after.items() if value > before.get(method, 0)}
        self.assertLessEqual(grown, {"LeaseService/RenewLease", "TlsService/ListTicketKeys", "BatchService/Calls",
                                     "AuthService/ListLoginChanges", "AuthService/CheckLogins"})

    def test_what_serves_no_tls_has_no_end_of_a_certificate(self):
        for server, has in ((self.stack.smtpd, True), (self.stack.pop3d, True), (self.stack.stored, False)):
            names = {name for name, _ in server.metrics()}
            self.assertEqual(has, "mailstead_certificate_not_after_seconds" in names, server.name)

    def test_health(self):
        for server in self.stack.servers:
            self.assertEqual(200, server.admin("/healthz")[0])
            self.assertEqual(200, server.admin("/readyz")[0])
            self.assertEqual(404, server.admin("/nonsense")[0])


class JsonLogTest(StackCase):

    def test_every_line_is_a_document(self):
        stack = self.new_stack()
        stack.add_stored()
        self.check_stored(stack)
        # Ports are read from logfmt by the harness; here the documents are parsed instead.
        for program, listeners in (("smtpd", dict(mx_listen="127.0.0.1:0", submission_listen="",
                                                  submissions_listen="")),
                                   ("pop3d", dict(pop3_listen="127.0.0.1:0", pop3s_listen=""))):
            process = Process(f"{program}-json", program_argv(program, {**stack.frontend_flags(program), **listeners,
                                                                       "log_format": "json"}))
            self.addCleanup(process.kill)
            listening = process.wait_for_line(
                lambda line: (lambda got: got if got.get("event") == "listening" and got.get("listener") in
                              ("mx", "pop3") else None)(json.loads(line)), what="listening")
            self.assertIsInstance(listening["port"], int)
            self.assertEqual(0, process.terminate())
            for line in process.text().splitlines():
                fields = json.loads(line)
                self.assertEqual(program, fields["program"])


    def check_stored(self, stack):
        # The store of the stack stays for the front-ends; this one has a folder of its own.
        process = Process("stored-json", program_argv("stored", {
            "data_dir": stack.folder / "json", "listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0",
            "operator_token_file": stack.folder / "json.token", "log_format": "json"}))
        self.addCleanup(process.kill)
        process.wait_for_line(lambda line: json.loads(line).get("event") == "started", what="started")
        self.assertEqual(0, process.terminate())
        lines = [json.loads(line) for line in process.text().splitlines()]
        self.assertEqual({"stored"}, {fields["program"] for fields in lines})
        self.assertEqual(["store", "admin"], sorted((fields["listener"] for fields in lines
                                                     if fields["event"] == "listening"), reverse=True))


class FlagsTest(StackCase):

    def test_programs_print_their_flags(self):
        """docs/ lists every flag; --help is where they come from."""
        for program in ("stored", "smtpd", "pop3d"):
            done = run_tool([*program_argv(program, {}), "--help"])
            flags = set(re.findall(r"--([a-z0-9_]+)", done.stdout.decode()))
            self.assertTrue({"admin_listen", "log_format", "log_level", "drain_timeout"} <= flags, flags)


if __name__ == "__main__":
    unittest.main()
