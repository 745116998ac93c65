"""curl: smtp, smtps, pop3, pop3s, and its SASL mechanisms."""

import unittest

from mailstead.paths import tool
from mailstead.trace import strip_trace

import corpus
from case import ClientCase


class CurlTest(ClientCase):

    def curl(self, *arguments, timeout=120):
        trust = ["--cacert", self.target.ca_file] if self.target.ca_file else ["--insecure"]
        return self.run_client([tool("curl"), "--silent", "--show-error", *trust, *arguments], timeout=timeout)

    def tls(self, route):
        return ["--ssl-reqd"] if route.tls == "starttls" else []

    # --- sending ---

    def send(self, route, message, mechanism="PLAIN"):
        scheme = "smtps" if route.tls == "implicit" else "smtp"
        login = ["--user", f"{self.target.recipient(message.utf8)}:{self.target.password}",
                 "--login-options", f"AUTH={mechanism}"] if route.login else []
        file = self.file("message", message.content)
        self.curl("--url", f"{scheme}://{self.target.host}:{route.port}/client.test", *self.tls(route), *login,
                  "--mail-from", self.target.sender(route, message.utf8),
                  "--mail-rcpt", self.target.recipient(message.utf8), "--upload-file", file)

    def test_send_corpus_by_every_route(self):
        for route in self.target.sending_routes():
            with self.subTest(route=str(route)):
                for message in corpus.CORPUS:
                    self.send(route, message)
                self.assert_arrived(corpus.CORPUS, route)

    def test_send_utf8_addresses_by_every_route(self):
        for route in self.target.sending_routes():
            with self.subTest(route=str(route)):
                self.send(route, corpus.UTF8)
                self.assert_arrived([corpus.UTF8], route)

    def test_send_with_every_mechanism(self):
        for route in self.target.sending_routes():
            for mechanism in ("PLAIN", "LOGIN") if route.login else ():
                with self.subTest(route=str(route), mechanism=mechanism):
                    self.send(route, corpus.CORPUS[0], mechanism)
                    self.assert_arrived([corpus.CORPUS[0]], route)

    def test_send_large_message(self):
        route = self.target.route("submission-starttls")
        self.send(route, corpus.large())
        self.assert_arrived([corpus.large()], route)

    # --- fetching ---

    def fetch(self, route, path="", *options, mechanism="PLAIN", utf8=False):
        scheme = "pop3s" if route.tls == "implicit" else "pop3"
        return self.curl("--url", f"{scheme}://{self.target.host}:{route.port}/{path}", *self.tls(route),
                         "--user", f"{self.target.recipient(utf8)}:{self.target.password}",
                         "--login-options", f"AUTH={mechanism}", *options)

    def test_fetch_corpus_by_every_route(self):
        stored = self.place(corpus.CORPUS)
        for route in self.target.fetching_routes():
            with self.subTest(route=str(route)):
                listing = self.fetch(route).decode().split("\r\n")
                sizes = [f"{number} {len(raw)}" for number, raw in enumerate(stored, 1)]
                self.assertEqual(sizes, [line for line in listing if line])
                got = [self.fetch(route, number) for number in range(1, len(stored) + 1)]
                self.assert_fetched(corpus.CORPUS, got)

    def test_fetch_with_every_mechanism(self):
        self.place(corpus.CORPUS[:1])
        for route in self.target.fetching_routes():
            for mechanism in ("PLAIN", "LOGIN"):
                with self.subTest(route=str(route), mechanism=mechanism):
                    self.assert_fetched(corpus.CORPUS[:1], [self.fetch(route, 1, mechanism=mechanism)])

    def test_fetch_utf8_mailbox(self):
        self.target.place(corpus.UTF8)
        got = self.fetch(self.target.route("pop3s"), 1, utf8=True)
        self.assert_same(corpus.UTF8.content, strip_trace(got).content, "utf8")

    def test_commands(self):
        stored = self.place(corpus.CORPUS[:2])
        route = self.target.route("pop3s")
        uidl = self.fetch(route, "", "--request", "UIDL").decode().split("\r\n")
        self.assertEqual(["1", "2"], [line.split()[0] for line in uidl if line])
        header = stored[0].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        self.assertEqual(header, self.fetch(route, "", "--request", "TOP 1 0"))
        self.fetch(route, "", "--request", "DELE 1", "--list-only", "--head")
        self.assertEqual([stored[1]], self.target.take_all())

    def test_fetch_large_message(self):
        self.place([corpus.large()])
        got = self.fetch(self.target.route("pop3-stls"), 1)
        self.assert_fetched([corpus.large()], [got])


if __name__ == "__main__":
    unittest.main()
