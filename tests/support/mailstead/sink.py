"""smtp-sink, Postfix's host for tests, with its fault switches."""

import pathlib
import shutil
import socket
import tempfile

from . import paths
from .process import Process, wait_until


class Sink:
    """smtp-sink with some of its switches; it keeps each message in a file."""

    def __init__(self, *switches):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mailstead-sink-"))
        # smtp-sink gives up root, and tells no port: it gets one that was free a moment ago.
        self.folder.chmod(0o777)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = Process("smtp-sink", [paths.tool("smtp-sink"), "-u", "nobody", "-d", f"{self.folder}/m.", *switches,
                                             f"127.0.0.1:{self.port}", "16"])
        wait_until(self.listens, what="smtp-sink")

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def messages(self):
        """With line ends of LF, and without what smtp-sink puts in front."""
        return [path.read_bytes().partition(b"Subject:")[2] for path in sorted(self.folder.iterdir())
                if b"Subject:" in path.read_bytes()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.exit_is_expected = True
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
