"""Many uploads at once by slow senders, who vanish before the end: what matters is the memory until then."""

import sys
import time

from .loads import REPO

sys.path.insert(0, str(REPO / "tests/support"))
from mailstead.smtp import Smtp  # noqa: E402

DECLARED_BYTES = 25_000_000
BLOCK = (b"0123456789" * 7 + b"abcd\r\n") * 200


class SlowUploads:
    def __init__(self, port, count, recipient):
        """All are past DATA when this returns. % in the recipient is replaced by a number below 100."""
        self.sessions = [self._begin(port, recipient.replace("%", str(number % 100))) for number in range(count)]
        # Where in the block each goes on; the block repeats, so that lines stay whole.
        self.at = [0] * count

    @staticmethod
    def _begin(port, recipient):
        session = Smtp(port, timeout=60)
        session.envelope("bench@bench.example.test", recipient, f"SIZE={DECLARED_BYTES}")
        session.expect(354, "DATA")
        session.send(b"Subject: slow\r\n\r\n")
        session.socket.setblocking(False)
        return session

    def run(self, seconds):
        """Every session sends up to 15 KB a second, for so long; yields a few times a second."""
        begin = time.monotonic()
        pause = 0.25
        while time.monotonic() - begin < seconds:
            round_begin = time.monotonic()
            for number in range(len(self.sessions)):
                self._send(number, len(BLOCK) // 4)
            yield
            time.sleep(max(0.0, pause - (time.monotonic() - round_begin)))

    def _send(self, number, most):
        at = self.at[number]
        try:
            sent = self.sessions[number].socket.send(BLOCK[at:at + most])
        except BlockingIOError:
            return  # The server reads slower than this sender writes.
        self.at[number] = (at + sent) % len(BLOCK)

    def close(self):
        for session in self.sessions:
            session.close()
