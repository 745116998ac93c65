"""Nobody reads what a program logs: mail goes on, and what could not be written is counted and said afterwards."""

import unittest

from mailstead.admin import total
from mailstead.process import wait_until
from mailstead.stack import StackCase

MESSAGES = 2000
DROPPED = "mailstead_log_lines_dropped_total"


class LogPipeTest(StackCase):

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd()
        stack.add_pop3d()
        [self.user] = stack.add_accounts("user")
        self.servers = (stack.stored, stack.smtpd, stack.pop3d)
        for server in self.servers:
            server.process.leave_log_unread()
            self.addCleanup(server.process.read_log_again)

    def deliver(self, count):
        with self.stack.mx() as session:
            for number in range(count):
                session.deliver("a@elsewhere.test", self.user, b"Subject: %d\r\n\r\nHello\r\n" % number)
            session.quit()

    def test_mail_goes_on_and_what_was_dropped_is_said(self):
        self.deliver(MESSAGES)
        # New clients are greeted, too.
        self.assertEqual(MESSAGES, len(self.stack.fetch_all(self.user)))
        for server in (self.stack.stored, self.stack.smtpd):
            dropped = total(server.metrics(), DROPPED)
            self.assertGreater(dropped, 100, server.name)
            process = server.process
            process.read_log_again()
            said = process.wait_for_event("log_lines_dropped", level="warning")
            # A line of the last session may have been dropped meanwhile.
            self.assertGreaterEqual(int(said["count"]), dropped, server.name)
            dropped = int(said["count"])
            self.assertEqual(dropped, total(server.metrics(), DROPPED), server.name)
            # All the others are there, and whole.
            delivered = wait_until(
                lambda kept=MESSAGES - dropped, log=process: (lambda got: got if got >= kept else None)(
                    len(log.events(event="delivered"))),
                what=f"the lines that {server.name} kept")
            self.assertLess(delivered, MESSAGES, server.name)
            # From here on nothing is missing.
            start = process.line_count()
            self.deliver(1)
            process.wait_for_event("delivered", start=start)
            self.assertEqual(dropped, total(server.metrics(), DROPPED), server.name)

    def test_programs_end_in_time_and_write_what_can_be_written(self):
        self.deliver(MESSAGES // 4)
        for server in reversed(self.servers):
            server.process.exit_is_expected = True
            server.process.signal(15)
            wait_until(lambda s=server: not s.process.running(), 15, f"{server.name} ends")
            server.process.read_log_again()
            self.assertEqual(0, server.process.wait())

    def test_what_waits_at_the_end_is_written_to_who_reads(self):
        for server in reversed(self.servers):
            server.process.read_log_again()
            self.assertEqual(0, server.terminate())
            self.assertEqual("stopped", server.process.events()[-1]["event"], server.name)


if __name__ == "__main__":
    unittest.main()
