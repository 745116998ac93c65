"""A file system of its own, of a size that a test chooses."""

import os
import pathlib
import tempfile

from .paths import tool
from .process import run_tool


def as_root(*command):
    return run_tool([*([] if os.geteuid() == 0 else [tool("sudo"), "-n"]), *command])


class Disk:
    """In `folder` until the test ends."""

    def __init__(self, case, megabytes):
        self.case = case
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mailstead-disk-"))
        case.addCleanup(self.folder.rmdir)
        done = as_root("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", self.folder)
        case.assertEqual(0, done.returncode, "mount -t tmpfs is not permitted here: run the tests as root or with sudo, or "
                         f"in a container that may mount: {done.stderr.decode()}")
        case.addCleanup(lambda: as_root("umount", "--lazy", self.folder))

    def resize(self, megabytes):
        done = as_root("mount", "-o", f"remount,size={megabytes}m", self.folder)
        self.case.assertEqual(0, done.returncode, done.stderr)
