"""swaks, the Swiss army knife for SMTP."""

import unittest

from mailstead.paths import tool
from mailstead.smtp import dot_stuff

import corpus
from case import ClientCase


class SwaksTest(ClientCase):

    def on_the_wire(self, message):
        """With --no-data-fixup swaks sends a file as it is and a line end: dots are stuffed here, and its own header
        fields stay out."""
        return self.file("message", dot_stuff(message.content).removesuffix(b"\r\n"))

    def send(self, route, message, mechanism="PLAIN"):
        tls = {"": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[route.tls]
        if route.tls and self.target.ca_file:
            tls += ["--tls-ca-path", self.target.ca_file, "--tls-verify"]
        login = ["--auth", mechanism, "--auth-user", self.target.address,
                 "--auth-password", self.target.password] if route.login else []
        file = self.on_the_wire(message)
        out = self.run_client([tool("swaks"), "--server", self.target.host, "--port", route.port, "--helo",
                               "client.test", "--from", self.target.sender(route), "--to", self.target.address, *tls,
                               *login, "--data", f"@{file}", "--no-data-fixup", "--suppress-data",
                               "--timeout", "60"], timeout=300)
        self.assertIn(b"221 ", out)

    def test_corpus_by_every_route(self):
        for route in self.target.sending_routes():
            with self.subTest(route=str(route)):
                for message in corpus.CORPUS:
                    self.send(route, message)
                self.assert_arrived(corpus.CORPUS, route)

    def test_every_mechanism(self):
        for route in self.target.sending_routes():
            for mechanism in ("PLAIN", "LOGIN") if route.login else ():
                with self.subTest(route=str(route), mechanism=mechanism):
                    self.send(route, corpus.CORPUS[0], mechanism)
                    self.assert_arrived([corpus.CORPUS[0]], route)

    def test_large_message(self):
        route = self.target.route("mx-starttls")
        self.send(route, corpus.large())
        self.assert_arrived([corpus.large()], route)

    def test_pipelining(self):
        route = self.target.route("mx")
        file = self.on_the_wire(corpus.CORPUS[0])
        self.run_client([tool("swaks"), "--server", self.target.host, "--port", route.port, "--pipeline", "--from",
                         self.target.sender(route), "--to", self.target.address, "--data", f"@{file}",
                         "--no-data-fixup"])
        self.assert_arrived([corpus.CORPUS[0]], route)


if __name__ == "__main__":
    unittest.main()
