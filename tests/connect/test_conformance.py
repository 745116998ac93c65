"""Connect's public conformance suite (https://github.com/connectrpc/conformance), all that it has for a server of the Connect protocol:
over HTTP/1.1 and HTTP/2, with and without TLS, JSON and binary, gzip, each kind of stream, errors, times, sizes, and what no client should
send. What cannot pass is in known_failing.txt; the suite complains of what stands there and passes."""

import os
import pathlib
import re
import unittest

from mailstead.paths import program, tool
from mailstead.process import run_tool
from mailstead.registries import go_install

HERE = pathlib.Path(__file__).parent
VERSION = "v1.0.7"
MODULE = "connectrpc.com/conformance"
# There are more; a suite that has lost most of its cases has not been passed.
LEAST_CASES = 1500


class ConformanceTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(os.environ.get("MAILSTEAD_TEST_CONNECT_DIR", "/tmp/mailstead-connect-suite"))
        go_install([f"{MODULE}/cmd/connectconformance@{VERSION}", f"{MODULE}/cmd/grpcserver@{VERSION}"], cls.folder)
        modules = pathlib.Path(run_tool([tool("go"), "env", "GOMODCACHE"]).stdout.decode().strip())
        protos = modules / f"{MODULE}@{VERSION}" / "proto"
        cls.descriptors = cls.folder / "conformance.desc"
        done = run_tool([tool("protoc"), f"-I{protos}", "--include_imports", f"--descriptor_set_out={cls.descriptors}",
                         *(protos / "connectrpc/conformance/v1" / f"{name}.proto" for name in ("service", "config", "server_compat"))])
        assert done.returncode == 0, done.stderr.decode()

    def test_the_suite(self):
        done = run_tool([self.folder / "connectconformance", "--mode", "server", "--conf", HERE / "config.yaml", "--known-failing",
                         f"@{HERE / 'known_failing.txt'}", "--", HERE / "server", self.descriptors, self.folder / "grpcserver",
                         program("connect_translator")], timeout=600)
        said = done.stdout.decode() + done.stderr.decode()
        told = "\n".join(line for line in said.splitlines() if not line.startswith("time="))
        self.assertEqual(0, done.returncode, told[-10_000:])
        self.assertGreaterEqual(int(re.search(r"Total cases: (\d+)", said).group(1)), LEAST_CASES)


if __name__ == "__main__":
    unittest.main()
