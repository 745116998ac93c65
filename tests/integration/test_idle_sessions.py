"""Ten thousand idle sessions on one front-end: little memory for each, and a new one is served at once."""

import resource
import selectors
import socket
import time
import unittest

from mailstead.process import wait_until
from mailstead.stack import StackCase

SESSIONS = 10_000
MOST_BYTES_PER_SESSION = 32 * 1024
LONGEST_ANSWER_SECONDS = 2.0
MAIL = b"Subject: idle\r\n\r\nHello\r\n"


def connect_many(port, count):
    """Sockets that have read their greeting. A few hundred are under way at a time."""
    done, selector, started = [], selectors.DefaultSelector(), 0
    deadline = time.monotonic() + 120
    while len(done) < count:
        while started < count and started - len(done) < 200:
            sock = socket.socket()
            sock.setblocking(False)
            # Several source addresses, as many clients would have.
            sock.bind((f"127.0.0.{2 + started % 8}", 0))
            sock.connect_ex(("127.0.0.1", port))
            selector.register(sock, selectors.EVENT_READ)
            started += 1
        for key, _ in selector.select(1):
            greeting = key.fileobj.recv(512)
            if not greeting.startswith((b"220 ", b"+OK")):
                raise AssertionError(f"after {len(done)} sessions: {greeting!r}")
            selector.unregister(key.fileobj)
            done.append(key.fileobj)
        if time.monotonic() > deadline:
            raise AssertionError(f"only {len(done)} of {count} sessions after 120 s")
    selector.close()
    return done


class IdleSessionsTest(StackCase):

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # The servers start with what a shell gives, and have to raise it themselves.
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        self.stack = stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd(max_connections=SESSIONS + 100, max_connections_per_address=0)
        stack.add_pop3d(max_connections=SESSIONS + 100, max_connections_per_address=0)
        [self.user] = stack.add_accounts("user")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20_000)), hard))

    def hold(self, server, listener):
        self.use_once()
        before = server.process.resident_bytes()
        started = time.monotonic()
        sockets = connect_many(server.ports[listener], SESSIONS)
        connected = time.monotonic() - started
        try:
            grown = server.process.resident_bytes() - before
            answers = [self.use_once() for _ in range(5)]
            print(f"{server.name}: {SESSIONS} idle sessions in {connected:.1f} s, {grown / SESSIONS / 1024:.1f} KiB "
                  f"each, a new one sends or fetches in {max(answers) * 1000:.0f} ms at most")
            self.assertLess(grown / SESSIONS, MOST_BYTES_PER_SESSION)
            self.assertLess(max(answers), LONGEST_ANSWER_SECONDS)
            # They are all alive still: one in a hundred says so.
            for sock in sockets[::100]:
                sock.settimeout(10)
                sock.sendall(b"NOOP\r\n" if listener == "mx" else b"CAPA\r\n")
                self.assertIn(sock.recv(512)[:3], (b"250", b"+OK"))
        finally:
            for sock in sockets:
                sock.close()
        wait_until(lambda: server.process.descriptor_count() < 200, 30, "descriptors are closed")

    def use_once(self):
        started = time.monotonic()
        self.stack.send(self.user, MAIL)
        self.assertEqual(1, len(self.stack.fetch_all(self.user)))
        return time.monotonic() - started

    def test_smtpd(self):
        self.hold(self.stack.smtpd, "mx")

    def test_pop3d(self):
        self.hold(self.stack.pop3d, "pop3")


if __name__ == "__main__":
    unittest.main()
