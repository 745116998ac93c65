"""The commands of docs/store-api.md, "From a shell", as they stand there: grpcurl, grpc-health-probe, ghz and buf curl, against a
store that speaks plain gRPC and one with TLS."""

import os
import pathlib
import re
import tempfile
import unittest

from mailstead.paths import REPOSITORY
from mailstead.process import run_tool
from mailstead.registries import go_install, npm_install
from mailstead.stack import SharedStackCase
from mailstead.store_client import StoreClient

# Debian 12's Go builds them.
MODULES = ["github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.1", "github.com/grpc-ecosystem/grpc-health-probe@v0.4.14",
           "github.com/bojand/ghz/cmd/ghz@v0.120.0"]
BUF = REPOSITORY / "tests/proto/buf"
# What each command has to say: (words that it begins with, what its output matches).
SAYS = [
    (r"grpcurl .* list$", r"(?s)grpc\.health\.v1\.Health.*mailstead\.store\.v1\.MessageService"),
    (r"grpcurl .* describe ", r"rpc ListMessages "),
    (r"grpcurl .*/ListAccounts$", r'"address": "ann@example\.test"'),
    (r"grpc-health-probe ", r"status: SERVING"),
    (r"ghz ", r"\[OK\]\s+200 responses"),
    (r"buf curl ", r'"messages":\s*\[\s*\{\s*"summary":\s*\{\s*"messageId":\s*"1"'),
]


def kept(name):
    root = os.environ.get("MAILSTEAD_TEST_TOOLS_DIR")
    return pathlib.Path(root) / name if root else pathlib.Path(tempfile.gettempdir()) / f"mailstead-test-tools-{name}"


def blocks():
    """The two blocks of commands, each a list of lines."""
    text = (REPOSITORY / "docs/store-api.md").read_text(encoding="utf-8")
    section = text.partition("\n## From a shell\n")[2].partition("\n## ")[0]
    return [block.splitlines() for block in re.findall(r"(?ms)^```\n(.*?)^```", section)]


class ToolsCase(SharedStackCase):

    @classmethod
    def build(cls, stack):
        go, node = kept("go"), kept("buf")
        go_install(MODULES, go)
        npm_install(BUF, node)
        cls.path = f"{go}:{node / 'node_modules/.bin'}:{os.environ['PATH']}"
        cls.configure(stack)

    def run_block(self, lines, names):
        [token, *commands] = lines
        self.assertTrue(token.startswith("TOKEN="), token)
        said = set()
        for command in commands:
            [(begin, expected)] = [(begin, expected) for begin, expected in SAYS if re.match(begin, command)]
            said.add(begin)
            text = f"{token}\n{command}"
            for old, new in names.items():
                text = text.replace(old, str(new))
            with self.subTest(command=command):
                done = run_tool(["bash", "-euc", text], environment={"PATH": self.path}, timeout=60)
                output = (done.stdout + done.stderr).decode()
                self.assertEqual(0, done.returncode, output)
                self.assertRegex(output, expected)
        return said


def fill(stack, client):
    client.call("DirectoryService/CreateDomain", domain=dict(name="example.test"))
    client.call("DirectoryService/CreateAccount", account=dict(address="ann@example.test"))
    client.call("MessageService/DeliverMessage", content=b"Subject: hello\r\n\r\nHello\r\n",
                envelope=dict(delivery_id="tools-0123456789abcdef", recipients=[dict(address="ann@example.test")]))
    client.close()


class PlainToolsTest(ToolsCase):

    @classmethod
    def configure(cls, stack):
        stack.add_stored()
        fill(stack, StoreClient(stack.stored.address, stack.token("operator")))

    def test_the_commands(self):
        said = self.run_block(blocks()[0], {"data/secrets/operator.token": self.stack.token("operator"),
                                            "127.0.0.1:7070": self.stack.stored.address})
        self.assertEqual({begin for begin, _ in SAYS}, said)


class TlsToolsTest(ToolsCase):

    @classmethod
    def configure(cls, stack):
        cert, key = stack.authority.issue("store.example.org")
        stack.add_stored(tls_cert=cert, tls_key=key)
        fill(stack, StoreClient(stack.stored.address.replace("127.0.0.1", "localhost"), stack.token("operator"),
                                root=stack.authority.cert))

    def test_the_commands(self):
        port = self.stack.stored.ports["store"]
        said = self.run_block(blocks()[1], {"data/secrets/operator.token": self.stack.token("operator"),
                                            "store.example.org:7070": f"localhost:{port}", "ca.crt": self.stack.authority.cert})
        self.assertGreaterEqual(len(said), 4)


if __name__ == "__main__":
    unittest.main()
