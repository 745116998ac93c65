"""A caller of the store's API, with Debian's grpcio, that knows the methods and messages of proto/ by their names."""

import functools
import pathlib
import tempfile

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from .paths import REPOSITORY, tool
from .process import run_tool

PROTO = REPOSITORY / "proto"
OPERATOR, FRONTEND = "mailstead.store.v1", "mailstead.frontend.v1"


@functools.cache
def _pool():
    """Of all our files and what they import."""
    with tempfile.TemporaryDirectory(prefix="mailstead-pool-") as folder:
        out = pathlib.Path(folder) / "all"
        done = run_tool([tool("protoc"), f"-I{PROTO}", "-I/usr/include", "--include_imports", f"--descriptor_set_out={out}",
                         *sorted(PROTO.rglob("*.proto"))])
        assert done.returncode == 0, done.stderr.decode()
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool, message_factory.MessageFactory(pool)


def message(name):
    """The class of a message: message("google.rpc.Status")."""
    pool, factory = _pool()
    return factory.GetPrototype(pool.FindMessageTypeByName(name))


class Failure:
    """What an error says to programs."""

    def __init__(self, error):
        self.code = error.code().name
        self.text = error.details()
        self.reason, self.metadata, self.retry, self.violations = None, {}, None, []
        trailers = {key: value for key, value in error.trailing_metadata() or ()}
        self.details = trailers.get("grpc-status-details-bin", b"")
        for detail in message("google.rpc.Status").FromString(self.details).details:
            kind = detail.type_url.rpartition(".")[2]
            content = message(f"google.rpc.{kind}").FromString(detail.value)
            if kind == "ErrorInfo":
                assert content.domain == "mailstead.store", content
                self.reason, self.metadata = content.reason, dict(content.metadata)
            elif kind == "RetryInfo":
                self.retry = content.retry_delay.seconds + content.retry_delay.nanos / 1e9
            elif kind == "BadRequest":
                self.violations = [(one.field, one.description, one.reason) for one in content.field_violations]

    @property
    def fields(self):
        return [field for field, _, _ in self.violations]

    def __repr__(self):
        return f"{self.code} {self.reason} ({self.text}) retry={self.retry} {self.violations} {self.metadata}"


class StoreClient:
    """Calls as one caller. A method is "DirectoryService/GetDomain", or of our front-ends "+AuthService/Authenticate"; another
    package is named in full."""

    def __init__(self, address, token_file=None, options=(), compression=None, root=None):
        """`root`: the file of the authority whose certificate the store has; without it TLS is not used."""
        options = dict(options=[("grpc.use_local_subchannel_pool", 1), *options], compression=compression)
        if root:
            credentials = grpc.ssl_channel_credentials(pathlib.Path(root).read_bytes())
            self.channel = grpc.secure_channel(address, credentials, **options)
        else:
            self.channel = grpc.insecure_channel(address, **options)
        self.metadata = []
        if token_file:
            self.metadata = [("authorization", "Bearer " + pathlib.Path(token_file).read_text(encoding="ascii").strip())]

    def close(self):
        self.channel.close()

    def stub(self, method, channel=None):
        """What takes the requests of a method as messages; on another channel, also one of grpc.aio."""
        name, make, parse, takes_many, gives_many = _method(method)
        shape = f"{'stream' if takes_many else 'unary'}_{'stream' if gives_many else 'unary'}"
        return getattr(channel or self.channel, shape)(name, request_serializer=make.SerializeToString,
                                                       response_deserializer=parse.FromString)

    def start(self, method, *requests, metadata=(), timeout=30, **fields):
        """The call under way. Requests are dicts; `fields` make the only one. Responses of a stream are read from it."""
        _, make, _, takes_many, gives_many = _method(method)
        sent = [make(**request) for request in requests or ([fields] if fields or not takes_many else [])]
        stub = self.stub(method)
        start = stub if gives_many else stub.future
        return start(iter(sent) if takes_many else sent[0], timeout=timeout, metadata=[*self.metadata, *metadata])

    def call(self, method, *requests, **options):
        """The response, or all of them where the method gives several. grpc.RpcError."""
        call = self.start(method, *requests, **options)
        return list(call) if _method(method)[-1] else call.result()

    def failure(self, method, *requests, **options):
        """How it failed."""
        return failure_of(lambda: self.call(method, *requests, **options))

    def pages(self, account, **wanted):
        """The answers of ListMessages, of which `wanted` are fields."""
        token = ""
        while True:
            page = self.call("MessageService/ListMessages", account=account, page_token=token, **wanted)
            yield page
            token = page.next_page_token
            if not token:
                return

    def list(self, account, **wanted):
        """Its messages, of all pages."""
        for page in self.pages(account, **wanted):
            yield from page.messages

    def fetch(self, account, message_id, **wanted):
        """What FetchMessage gives, as one."""
        return b"".join(self.fetch_pieces(account, message_id, **wanted))

    def fetch_pieces(self, account, message_id, **wanted):
        for piece in self.start("MessageService/FetchMessage", account=account, message_id=message_id, **wanted):
            yield piece.content


def _method(method):
    """Its path, the classes of its request and response, and whether it takes and gives several."""
    if method.startswith("+"):
        method = f"{FRONTEND}.{method[1:]}"
    elif "." not in method:
        method = f"{OPERATOR}.{method}"
    service, _, name = method.partition("/")
    pool, factory = _pool()
    found = pool.FindServiceByName(service).methods_by_name[name]
    proto = descriptor_pb2.MethodDescriptorProto()
    found.CopyToProto(proto)
    return (f"/{method}", factory.GetPrototype(found.input_type), factory.GetPrototype(found.output_type),
            proto.client_streaming, proto.server_streaming)


def failure_of(attempt):
    try:
        attempt()
    except grpc.RpcError as error:
        return Failure(error)
    raise AssertionError("it did not fail")
