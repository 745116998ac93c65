"""nodemailer, on Node.js. It is installed from the lock file into MAILSTEAD_TEST_NODE_DIR, or a temporary folder."""

import json
import os
import pathlib
import tempfile
import unittest

from mailstead.paths import tool
from mailstead.process import run_tool
from mailstead.registries import npm_install

import corpus
from case import ClientCase

SOURCE = pathlib.Path(__file__).parent / "nodemailer"


class NodemailerTest(ClientCase):

    @classmethod
    def setUpClass(cls):
        if "MAILSTEAD_TEST_NODE_DIR" in os.environ:
            cls.modules = pathlib.Path(os.environ["MAILSTEAD_TEST_NODE_DIR"])
        else:
            folder = tempfile.TemporaryDirectory(prefix="mailstead-node-")
            cls.addClassCleanup(folder.cleanup)
            cls.modules = pathlib.Path(folder.name)
        npm_install(SOURCE, cls.modules)
        super().setUpClass()

    def send(self, route, messages, method="PLAIN"):
        transport = {"host": self.target.host, "port": route.port, "secure": route.tls == "implicit",
                     "requireTLS": route.tls == "starttls", "ignoreTLS": route.tls == ""}
        if route.tls:
            transport["tls"] = ({"ca": pathlib.Path(self.target.ca_file).read_text(encoding="ascii")}
                                if self.target.ca_file else {"rejectUnauthorized": False})
        utf8 = messages[0].utf8
        if route.login:
            transport["auth"] = {"user": self.target.recipient(utf8), "pass": self.target.password, "method": method}
            transport["authMethod"] = method
        job = {"modules": str(self.modules), "transport": transport,
               "messages": [{"file": str(self.file(message.name, message.content)),
                             "from": self.target.sender(route, message.utf8),
                             "to": self.target.recipient(message.utf8)} for message in messages]}
        self.run_client([tool("node"), SOURCE / "send.js"], input=json.dumps(job), timeout=300)

    def test_corpus_by_every_route(self):
        for route in self.target.sending_routes():
            with self.subTest(route=str(route)):
                self.send(route, corpus.CORPUS)
                self.assert_arrived(corpus.CORPUS, route)

    def test_utf8_addresses_by_every_route(self):
        for route in self.target.sending_routes():
            with self.subTest(route=str(route)):
                self.send(route, [corpus.UTF8])
                self.assert_arrived([corpus.UTF8], route)

    def test_every_mechanism(self):
        for route in self.target.sending_routes():
            for method in ("PLAIN", "LOGIN", "SCRAM-SHA-256") if route.login else ():
                with self.subTest(route=str(route), method=method):
                    self.send(route, corpus.CORPUS[:1], method)
                    self.assert_arrived(corpus.CORPUS[:1], route)

    def test_large_message(self):
        route = self.target.route("submission-starttls")
        self.send(route, [corpus.large()])
        self.assert_arrived([corpus.large()], route)


if __name__ == "__main__":
    unittest.main()
