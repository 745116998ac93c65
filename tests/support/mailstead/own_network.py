"""A network of the test's own: the process moves into a network namespace that has its own loopback, and clients live in
another one at the end of a cable that can be cut. It needs root, or a machine that gives user namespaces to everybody.
"""

import ctypes
import os
import subprocess

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

SERVER = "10.99.0.1"
CLIENT = "10.99.0.2"


def _run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.stdout}")


def enter():
    """Moves this process, and all that it starts from now on. Once, before there are threads."""
    user, group = os.geteuid(), os.getegid()
    flags = CLONE_NEWNET | (CLONE_NEWUSER if user != 0 else 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise AssertionError(f"no network namespace without root here: {os.strerror(number)}")
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _run("ip", "link", "set", "lo", "up")


class Cable:
    """Between SERVER, which is here, and CLIENT, which is in a namespace of its own."""

    def __init__(self):
        self._holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net",
                                         "sh", "-c", "echo; exec sleep 3600"], stdout=subprocess.PIPE)
        self._holder.stdout.readline()
        self._inside = ("nsenter", f"--net=/proc/{self._holder.pid}/ns/net")
        _run("ip", "link", "add", "mailcable0", "type", "veth", "peer", "name", "mailcable1",
             "netns", str(self._holder.pid))
        _run("ip", "address", "add", f"{SERVER}/24", "dev", "mailcable0")
        _run("ip", "link", "set", "mailcable0", "up")
        _run(*self._inside, "ip", "address", "add", f"{CLIENT}/24", "dev", "mailcable1")
        _run(*self._inside, "ip", "link", "set", "mailcable1", "up")

    def client(self, script, *arguments):
        """A Python script at the other end; its output is for the caller to read."""
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self._inside, "/usr/bin/python3", "-c", script, *map(str, arguments)],
                                stdout=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONUNBUFFERED="1"))

    def cut(self):
        """Nothing that either end sends arrives any more, and nobody is told."""
        _run(*self._inside, "ip", "link", "set", "mailcable1", "down")

    def close(self):
        # The namespace takes its end along, but a moment later.
        _run("ip", "link", "delete", "mailcable0")
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()
