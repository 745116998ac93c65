"""mailstead.store.v1 as a program in Python calls it: stubs made of the .proto files by Debian's python3-grpc-tools.

    api = StoreApi(stack)                                    # as the operator
    api.messages.GetMessage(api.pb.GetMessageRequest(account="ann@example.test", message_id=1))
"""

import importlib
import sys
import tempfile

import grpc

from .paths import REPOSITORY
from .process import run_tool

PYTHON = "/usr/bin/python3"
# Of any call, in seconds.
DEADLINE = 60
PACKAGE = "mailstead/store/v1"

_folder = None


def stubs():
    """The folder of the stubs; made once a process, and importable from then on."""
    global _folder
    if _folder is None:
        _folder = tempfile.TemporaryDirectory(prefix="mailstead-stubs-")
        proto = REPOSITORY / "proto"
        files = [str(path.relative_to(proto)) for path in sorted((proto / PACKAGE).glob("*.proto"))]
        done = run_tool([PYTHON, "-m", "grpc_tools.protoc", f"-I{proto}", "-I/usr/include", f"--python_out={_folder.name}",
                         f"--grpc_python_out={_folder.name}", *files, "google/rpc/status.proto"])
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        # The package of these tests has the first name, too.
        sys.modules["mailstead"].__path__.append(f"{_folder.name}/mailstead")
        sys.path.insert(0, _folder.name)
    return _folder.name


class StoreApi:
    """A channel to the stack's stored, with a role's token. `pb` has the messages of message.proto."""

    def __init__(self, stack, role="operator"):
        stubs()
        self.pb = importlib.import_module("mailstead.store.v1.message_pb2")
        services = importlib.import_module("mailstead.store.v1.message_pb2_grpc")
        token = (stack.folder / f"{role}.token").read_text().strip()
        self.channel = grpc.intercept_channel(grpc.insecure_channel(stack.stored.address), _WithToken(token))
        self.messages = services.MessageServiceStub(self.channel)

    def list(self, account, **wanted):
        """All that is wanted, page by page; `wanted` are fields of ListMessagesRequest."""
        token = ""
        while True:
            page = self.messages.ListMessages(self.pb.ListMessagesRequest(account=account, page_token=token, **wanted))
            yield from page.messages
            token = page.next_page_token
            if not token:
                return

    def fetch(self, account, message_id, **wanted):
        request = self.pb.FetchMessageRequest(account=account, message_id=message_id, **wanted)
        return b"".join(piece.content for piece in self.messages.FetchMessage(request))


class _WithToken(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor,
                 grpc.StreamStreamClientInterceptor):
    """The token, and a deadline where a call has none."""

    def __init__(self, token):
        self.metadata = (("authorization", f"Bearer {token}"),)

    def _call(self, continuation, details, request):
        details = details._replace(metadata=[*(details.metadata or ()), *self.metadata],
                                   timeout=details.timeout or DEADLINE)
        return continuation(details, request)

    intercept_unary_unary = intercept_unary_stream = intercept_stream_unary = intercept_stream_stream = _call
