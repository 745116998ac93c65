"""fetchmail, delivering to files."""

import unittest

from mailstead.paths import tool

import corpus
from case import ClientCase


class FetchmailTest(ClientCase):

    def fetch(self, route, keep=True):
        inbox = self.folder / f"inbox-{route}"
        inbox.mkdir()
        deliver = self.file("deliver", f'#!/bin/sh\ncat > "{inbox}/$(printf %04d $(ls {inbox} | wc -l))"\n', 0o700)
        tls = {"": "sslproto ''", "starttls": "sslproto TLS1.2+", "implicit": "ssl sslproto TLS1.2+"}[route.tls]
        if route.tls and self.target.ca_file:
            tls += f" sslcertck sslcommonname {self.target.server_name} sslcertfile {self.target.ca_file}"
        elif route.tls:
            tls += " no sslcertck"
        config = self.file("fetchmailrc", f"""
            set no syslog
            set invisible
            poll "{self.target.host}" protocol pop3 port {route.port} auth password timeout 60 no dns bad-header accept
              user "{self.target.address}" password "{self.target.password}" is "demo" here
              {"keep" if keep else "no keep"} fetchall no rewrite pass8bits no mimedecode no dropstatus
              no dropdelivered no stripcr mda "{deliver}" {tls}
            """)
        self.run_client([tool("fetchmail"), "-f", config, "--idfile", self.folder / "ids", "--pidfile",
                         self.folder / "pid", "--silent", "--nodetach"],
                        environment={"FETCHMAILHOME": str(self.folder), "LC_ALL": "C"}, timeout=300)
        return [path.read_bytes() for path in sorted(inbox.iterdir())]

    def test_corpus_by_every_route(self):
        self.place(corpus.CORPUS)
        for route in self.target.fetching_routes():
            with self.subTest(route=str(route)):
                self.assert_fetched(corpus.CORPUS, self.fetch(route))

    def test_deletes_what_it_fetched(self):
        self.place(corpus.CORPUS[:3])
        self.fetch(self.target.route("pop3s"), keep=False)
        self.assertEqual([], self.target.take_all())

    def test_large_message(self):
        self.place([corpus.large()])
        self.assert_fetched([corpus.large()], self.fetch(self.target.route("pop3s")))


if __name__ == "__main__":
    unittest.main()
