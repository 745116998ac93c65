"""msmtp, with GNU SASL. Debian 12's (1.8.23) has neither SMTPUTF8 nor SCRAM-SHA-256-PLUS."""

import unittest

from mailstead.paths import tool

import corpus
from case import ClientCase


class MsmtpTest(ClientCase):

    def send(self, route, message, mechanism="plain"):
        lines = ["account default", f"host {self.target.host}", f"port {route.port}", "domain client.test",
                 f"from {self.target.sender(route)}",
                 # msmtp must not complete the message: its bytes are compared.
                 "set_from_header off", "set_date_header off", "set_msgid_header off",
                 "remove_bcc_headers off", "undisclosed_recipients off"]
        if route.tls:
            lines += ["tls on", f"tls_starttls {'on' if route.tls == 'starttls' else 'off'}",
                      f"tls_trust_file {self.target.ca_file}" if self.target.ca_file else "tls_certcheck off"]
        else:
            lines.append("tls off")
        if route.login:
            lines += [f"auth {mechanism}", f"user {self.target.address}",
                      f'password "{self.target.password}"']
        config = self.file("msmtprc", "\n".join(lines) + "\n")
        self.run_client([tool("msmtp"), "-C", config, "--", self.target.address],
                        input=message.content, timeout=300)

    def test_corpus_by_every_route(self):
        for route in self.target.sending_routes():
            with self.subTest(route=str(route)):
                for message in corpus.CORPUS:
                    self.send(route, message)
                self.assert_arrived(corpus.CORPUS, route)

    def test_every_mechanism(self):
        for route in self.target.sending_routes():
            for mechanism in ("plain", "login", "scram-sha-256") if route.login else ():
                with self.subTest(route=str(route), mechanism=mechanism):
                    self.send(route, corpus.CORPUS[0], mechanism)
                    self.assert_arrived([corpus.CORPUS[0]], route)

    def test_large_message(self):
        route = self.target.route("submissions")
        self.send(route, corpus.large())
        self.assert_arrived([corpus.large()], route)


if __name__ == "__main__":
    unittest.main()
