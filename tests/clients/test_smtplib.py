"""Python's smtplib."""

import smtplib
import unittest

from mailstead.sasl import ScramClient
from mailstead.trace import strip_trace

import corpus
from case import ClientCase


class SmtplibTest(ClientCase):

    def connect(self, route):
        if route.tls == "implicit":
            smtp = smtplib.SMTP_SSL(self.target.host, route.port, context=self.target.context(), timeout=60)
        else:
            smtp = smtplib.SMTP(self.target.host, route.port, timeout=60)
            if route.tls:
                smtp.starttls(context=self.target.context())
        return smtp

    def log_in(self, smtp, route, utf8=False):
        if route.login:
            smtp.ehlo()
            smtp.user, smtp.password = self.target.recipient(utf8), self.target.password
            # login() refuses a user name that is not ASCII.
            smtp.auth("PLAIN", smtp.auth_plain) if not utf8 else self.auth_plain_utf8(smtp)

    def auth_plain_utf8(self, smtp):
        import base64
        secret = f"\0{self.target.utf8_address}\0{self.target.password}".encode()
        code, text = smtp.docmd("AUTH", "PLAIN " + base64.b64encode(secret).decode())
        self.assertEqual(235, code, text)

    def test_bare_sequence(self):
        smtp = smtplib.SMTP(self.target.host, self.target.mx_port)
        self.assertEqual(250, smtp.ehlo()[0])
        self.assertEqual(250, smtp.mail("sender@elsewhere.test")[0])
        self.assertEqual(250, smtp.rcpt(self.target.address)[0])
        self.assertEqual(250, smtp.data("Subject: Test Mail\n\nThis is a test email.\n")[0])
        self.assertEqual(221, smtp.quit()[0])
        [got] = self.target.take_all()
        self.assertEqual(b"Subject: Test Mail\r\n\r\nThis is a test email.\r\n", strip_trace(got).content)

    def test_corpus_by_every_route(self):
        for route in self.target.sending_routes():
            with self.subTest(route=str(route)):
                smtp = self.connect(route)
                self.log_in(smtp, route)
                for message in corpus.CORPUS:
                    refused = smtp.sendmail(self.target.sender(route), [self.target.address], message.content,
                                            mail_options=["BODY=8BITMIME"])
                    self.assertEqual({}, refused)
                smtp.quit()
                self.assert_arrived(corpus.CORPUS, route)

    def test_utf8_addresses_by_every_route(self):
        for route in self.target.sending_routes():
            with self.subTest(route=str(route)):
                smtp = self.connect(route)
                self.log_in(smtp, route, utf8=True)
                smtp.sendmail(self.target.sender(route, utf8=True), [self.target.utf8_address],
                              corpus.UTF8.content, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
                smtp.quit()
                self.assert_arrived([corpus.UTF8], route)

    def test_large_message(self):
        route = self.target.route("submissions")
        with self.connect(route) as smtp:
            self.log_in(smtp, route)
            smtp.sendmail(self.target.address, [self.target.address], corpus.large().content)
        self.assert_arrived([corpus.large()], route)

    def test_no_final_line_end_by_bdat(self):
        """smtplib has no BDAT of its own; its session does."""
        for route in self.target.sending_routes():
            with self.subTest(route=str(route)):
                message = corpus.NO_FINAL_LINE_END
                with self.connect(route) as smtp:
                    self.log_in(smtp, route)
                    smtp.ehlo()
                    self.assertTrue(smtp.has_extn("chunking"))
                    smtp.mail(self.target.sender(route))
                    smtp.rcpt(self.target.address)
                    half = len(message.content) // 2
                    smtp.send(b"BDAT %d\r\n" % half + message.content[:half])
                    self.assertEqual(250, smtp.getreply()[0])
                    smtp.send(b"BDAT %d LAST\r\n" % (len(message.content) - half) + message.content[half:])
                    self.assertEqual(250, smtp.getreply()[0])
                [got] = self.target.take_all()
                # POP3 has lines only: the server ends the last one, and changes nothing else.
                content = strip_trace(got).content
                self.assert_same(message.content + b"\r\n", content, message.name)

    def test_every_mechanism(self):
        for route in self.target.sending_routes():
            if not route.login:
                continue
            with self.subTest(route=str(route)):
                for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
                    with self.connect(route) as smtp:
                        smtp.ehlo()
                        self.assertIn(mechanism, smtp.esmtp_features["auth"].split())
                        smtp.user, smtp.password = self.target.address, self.target.password
                        if mechanism == "PLAIN":
                            self.assertEqual(235, smtp.auth("PLAIN", smtp.auth_plain)[0])
                        elif mechanism == "LOGIN":
                            self.assertEqual(235, smtp.auth("LOGIN", smtp.auth_login, initial_response_ok=False)[0])
                        else:
                            scram = ScramClient(smtp.user, smtp.password)
                            self.assertEqual(235, smtp.auth("SCRAM-SHA-256", scram.step_text)[0])
                            self.assertTrue(scram.server_is_genuine)

    def test_wrong_password(self):
        route = self.target.route("submissions")
        with self.connect(route) as smtp:
            smtp.ehlo()
            smtp.user, smtp.password = self.target.address, "wrong"
            with self.assertRaises(smtplib.SMTPAuthenticationError) as caught:
                smtp.auth("PLAIN", smtp.auth_plain)
            self.assertEqual(535, caught.exception.smtp_code)
            smtp.password = self.target.password
            self.assertEqual(235, smtp.auth("PLAIN", smtp.auth_plain)[0])

    def test_login_without_tls_only_where_it_is_allowed(self):
        with smtplib.SMTP(self.target.host, self.target.submission_port, timeout=60) as smtp:
            smtp.ehlo()
            self.assertEqual(self.target.plaintext_auth, smtp.has_extn("auth"))
            self.assertEqual(535 if self.target.plaintext_auth else 530, smtp.docmd("AUTH", "PLAIN AGEAYg==")[0])


if __name__ == "__main__":
    unittest.main()
