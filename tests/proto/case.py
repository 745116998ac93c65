"""What the tests of the .proto files share."""

import ast
import os
import pathlib
import tempfile
import unittest

from mailstead.paths import REPOSITORY, tool
from mailstead.process import run_tool

HERE = pathlib.Path(__file__).parent
PROTO = REPOSITORY / "proto"
# The standard types of Protocol Buffers.
STANDARD = "/usr/include"


class ProtoCase(unittest.TestCase):

    def folder(self):
        """An empty one, for this test only."""
        folder = tempfile.TemporaryDirectory(prefix="mailstead-proto-")
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def run_well(self, argv, **options):
        """Its standard output; a failure shows what it said."""
        done = run_tool(argv, **options)
        self.assertEqual(0, done.returncode, f"{argv[0]}:\n{(done.stdout + done.stderr).decode()}")
        return done.stdout


def kept_folder(name):
    """Where what comes from a registry is kept between runs."""
    root = os.environ.get("MAILSTEAD_TEST_PROTO_DIR")
    return pathlib.Path(root) / name if root else pathlib.Path(tempfile.gettempdir()) / f"mailstead-test-proto-{name}"


def ours(package):
    """The files of a package, as names to import."""
    return sorted(str(path.relative_to(PROTO)) for path in (PROTO / package).glob("*.proto"))


def python_stubs(compiler, folder, files, grpc=()):
    """Compiles `files` with `compiler` (argv) into `folder`."""
    done = run_tool([*compiler, f"-I{PROTO}", f"-I{STANDARD}", f"--python_out={folder}", *grpc, *files])
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode())


def serialized_in(module):
    """The descriptor in a file name_pb2.py: the bytes that it gives to the pool."""
    for node in ast.walk(ast.parse(module)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            return ast.literal_eval(node.args[0])
    raise AssertionError("no descriptor in the module")
