"""mpop, with GNU SASL."""

import unittest

from mailstead.paths import tool

import corpus
from case import ClientCase


class MpopTest(ClientCase):

    def fetch(self, route, method="user", keep=True):
        """Fetches everything new; gives what the delivery program got, with CRLF line ends."""
        inbox = self.folder / f"inbox-{route}-{method}"
        inbox.mkdir()
        deliver = self.file("deliver", f'#!/bin/sh\ncat > "{inbox}/$(printf %04d $(ls {inbox} | wc -l))"\n', 0o700)
        lines = ["account default", f"host {self.target.host}", f"port {route.port}", f"user {self.target.address}",
                 f'password "{self.target.password}"', f"auth {method}", f"keep {'on' if keep else 'off'}",
                 f"delivery mda {deliver}", f"uidls_file {inbox}.uidls", "received_header off"]
        if route.tls:
            lines += ["tls on", f"tls_starttls {'on' if route.tls == 'starttls' else 'off'}",
                      f"tls_trust_file {self.target.ca_file}" if self.target.ca_file else "tls_certcheck off"]
        else:
            lines.append("tls off")
        config = self.file("mpoprc", "\n".join(lines) + "\n")
        self.run_client([tool("mpop"), "-C", config, "--quiet"], timeout=300)
        # A delivery program gets the line ends of Unix. The corpus has no bare LF, so this way back is exact.
        return [path.read_bytes().replace(b"\n", b"\r\n") for path in sorted(inbox.iterdir())]

    def test_corpus_by_every_route(self):
        self.place(corpus.CORPUS)
        for route in self.target.fetching_routes():
            with self.subTest(route=str(route)):
                self.assert_fetched(corpus.CORPUS, self.fetch(route))

    def test_every_method(self):
        self.place(corpus.CORPUS[:1])
        for route in self.target.fetching_routes():
            for method in ("user", "plain", "login", "scram-sha-256"):
                with self.subTest(route=str(route), method=method):
                    self.assert_fetched(corpus.CORPUS[:1], self.fetch(route, method))

    def test_deletes_what_it_fetched(self):
        self.place(corpus.CORPUS[:3])
        self.fetch(self.target.route("pop3s"), keep=False)
        self.assertEqual([], self.target.take_all())

    def test_large_message(self):
        self.place([corpus.large()])
        self.assert_fetched([corpus.large()], self.fetch(self.target.route("pop3s")))


if __name__ == "__main__":
    unittest.main()
