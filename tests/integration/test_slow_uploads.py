"""Many slow uploads of large messages at once: the memory of the front-end and of the store stays bounded."""

import hashlib
import unittest

from mailstead.stack import StackCase
from mailstead.trace import sha256, strip_trace

UPLOADS = 50
MEBIBYTE = 1 << 20
LINE = b"0123456789" * 7 + b"abcd\r\n"
LINES = 5 * MEBIBYTE // len(LINE)
BLOCK = LINE * 500


class SlowUploadsTest(StackCase):

    def test_memory_is_bounded(self):
        stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd(max_connections_per_address=0)
        stack.add_pop3d()
        users = stack.add_accounts(*[f"user{number}" for number in range(UPLOADS)])
        stack.send(users[0], b"Subject: warm\r\n\r\n" + BLOCK)
        stack.fetch_all(users[0])

        servers = [stack.smtpd, stack.stored]
        for server in servers:
            server.process.reset_peak()
        before = [server.process.resident_bytes() for server in servers]
        sessions = []
        for number, user in enumerate(users):
            session = stack.mx(timeout=120)
            session.envelope("a@elsewhere.test", user)
            session.expect(354, "DATA")
            session.send(b"Subject: %d\r\n\r\n" % number)
            sessions.append(session)
        # All go on a block at a time, in turn, so that all are under way from the first byte to the last.
        for _ in range(LINES // 500):
            for session in sessions:
                session.send(BLOCK)
        grown = [server.process.peak_resident_bytes() - resident for server, resident in zip(servers, before)]
        for session in sessions:
            session.send(b".\r\n")
        for session in sessions:
            self.assertEqual(250, session.reply().code)
            session.close()
        total = UPLOADS * LINES * len(LINE)
        print(f"{UPLOADS} uploads, {total // MEBIBYTE} MiB in all: smtpd grew by {grown[0] // 1024} KiB, "
              f"stored by {grown[1] // 1024} KiB")
        self.assertLess(grown[0], 48 * MEBIBYTE)
        # Write buffers of the engine are bounded by configuration too.
        self.assertLess(grown[1], 192 * MEBIBYTE)

        body = hashlib.sha256(BLOCK * (LINES // 500)).hexdigest()
        for number, user in list(enumerate(users))[::7]:
            [raw] = stack.fetch_all(user)
            content = strip_trace(raw).content
            head = b"Subject: %d\r\n\r\n" % number
            self.assertTrue(content.startswith(head))
            self.assertEqual(body, sha256(content[len(head):]))


if __name__ == "__main__":
    unittest.main()
