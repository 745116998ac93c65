"""smtp-sink with its fault switches as the host that mail goes to: what the queue says then, what comes to the sender, and how
often the message has arrived."""

import contextlib
import unittest

from mailstead.sending import SendingCase, said
from mailstead.sink import Sink

HARD = "returned 500 5.3.0 Error: command failed"
SOFT = "waits 450 4.3.0 Error: command failed"
CLOSING = "waits 421 4.0.0 Server closing connection"
LOST = "waits 0 4.4.2 the connection was lost: connection closed"
SENT = "delivered"

# Switches; what becomes of the message; how often smtp-sink has kept it.
ROWS = [
    ([], SENT, 1),
    # Without PIPELINING, ESMTP, 8BITMIME, ENHANCEDSTATUSCODES, DSN; slow to answer DATA and the dot.
    (["-p"], SENT, 1),
    (["-e"], SENT, 1),
    (["-8"], SENT, 1),
    (["-E"], SENT, 1),
    (["-N"], SENT, 1),
    (["-w", "1"], SENT, 1),
    (["-H", "1"], SENT, 1),
    (["-f", "EHLO"], SENT, 1),
    (["-f", "EHLO,HELO"], HARD, 0),
    (["-f", "MAIL"], HARD, 0),
    (["-f", "RCPT"], HARD, 0),
    (["-f", "DATA"], HARD, 0),
    (["-f", "RSET"], SENT, 1),
    (["-f", "QUIT"], SENT, 1),
    (["-r", "EHLO"], SOFT, 0),
    (["-r", "MAIL"], SOFT, 0),
    (["-r", "RCPT"], SOFT, 0),
    (["-r", "DATA"], SOFT, 0),
    (["-q", "EHLO"], LOST, 0),
    (["-q", "MAIL"], LOST, 0),
    (["-q", "RCPT"], LOST, 0),
    (["-q", "DATA"], LOST, 0),
    (["-q", "QUIT"], SENT, 1),
    (["-Q", "EHLO"], CLOSING, 0),
    (["-Q", "MAIL"], CLOSING, 0),
    (["-Q", "RCPT"], CLOSING, 0),
    (["-Q", "DATA"], CLOSING, 0),
    (["-Q", "QUIT"], SENT, 1),
    # It keeps the message, and then does what it is told to.
    (["-f", "."], HARD, 1),
    (["-r", "."], SOFT, 1),
    (["-q", "."], LOST, 1),
    (["-Q", "."], CLOSING, 1),
]


class SinkTest(SendingCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored(retry_schedule="1h")
        stack.add_smtpd()
        stack.add_pop3d()
        [cls.user] = stack.add_accounts("user")
        stack.add_relay(delivery_workers=50, delivery_timeout="20s")

    def test_table(self):
        with contextlib.ExitStack() as stack:
            sinks = [stack.enter_context(Sink(*switches)) for switches, _, _ in ROWS]
            for number, sink in enumerate(sinks):
                self.stack.ctl.run("route", "set", f"s{number}.test", "--via", f"127.0.0.1:{sink.port}")
            with self.stack.submission(self.user) as session:
                for number in range(len(ROWS)):
                    session.deliver(self.user, f"friend@s{number}.test", f"From: {self.user}\r\nSubject: sink\r\n\r\nHello\r\n".encode())
            waiting = self.await_attempts()
            told = self.notices_by_recipient(self.user)
            for number, (switches, outcome, count) in enumerate(ROWS):
                with self.subTest(switches):
                    self.assertEqual(outcome, self.outcome(f"friend@s{number}.test", waiting, told))
                    self.assertEqual(count, len(sinks[number].messages()))

    @staticmethod
    def outcome(address, waiting, told):
        if address in waiting:
            recipient = waiting[address]
            return f"waits {recipient.get('reply_code', 0)} {recipient['reply_status']} {recipient['reply_text']}"
        return f"returned {said(told[address][0])}" if address in told else SENT


if __name__ == "__main__":
    unittest.main()
