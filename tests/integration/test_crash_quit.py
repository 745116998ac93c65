"""kill -9 in the middle of QUIT: the deletions are committed all or none, and +OK means all."""

import random
import threading
import time
import unittest

from mailstead import pop3
from mailstead.process import wait_until
from mailstead.stack import StackCase

MAILBOXES = 16
MESSAGES = 12
ROUNDS = 8
# The kill comes this much later in each round; a commit takes a few milliseconds.
STEP_SECONDS = 0.0008


class CrashQuitTest(StackCase):

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd()
        # A short lease, so that the next round need not wait long for the locks of a killed pop3d.
        stack.add_pop3d(lease_ttl="1s")
        self.users = stack.add_accounts(*[f"user{number}" for number in range(MAILBOXES)])
        self.random = random.Random(1939)
        self.outcomes = {"+OK": 0, "all": 0, "none": 0}

    def fill(self):
        """Brings every mailbox to MESSAGES messages, each of them in all mailboxes."""
        with self.stack.mx() as session:
            for number in range(MESSAGES):
                session.deliver("a@elsewhere.test", self.users, b"Subject: %d\r\n\r\n" % number)

    def login_soon(self, user):
        def attempt():
            try:
                return self.stack.pop3(user)
            except (pop3.Refused, OSError, EOFError):
                return None
        return wait_until(attempt, 15, f"{user} opens again", interval=0.05)

    def empty(self):
        for user in self.users:
            self.login_soon(user).fetch_all()

    def run_round(self, victim, delay):
        self.fill()
        sessions, expected = [], []
        for user in self.users:
            session = self.login_soon(user)
            numbers = self.random.sample(range(1, MESSAGES + 1), MESSAGES // 2)
            uids = session.uidl()
            for number in numbers:
                session.dele(number)
            sessions.append(session)
            expected.append((set(uids.values()), {uids[number] for number in numbers}))
        answers = [""] * len(sessions)
        barrier = threading.Barrier(len(sessions) + 1)

        def leave(index):
            barrier.wait()
            try:
                answers[index] = sessions[index].command("QUIT")
            except (OSError, EOFError):
                pass
            sessions[index].close()

        threads = [threading.Thread(target=leave, args=(index,)) for index in range(len(sessions))]
        for thread in threads:
            thread.start()
        barrier.wait()
        # The moment of the kill is what this test varies: from before the first commit to after the last.
        time.sleep(delay)
        victim.kill()
        victim.restart()
        # pop3d tries again while the store is away, so that a QUIT may still be answered after its restart.
        for thread in threads:
            thread.join()
        for user, answer, (before, deleted) in zip(self.users, answers, expected):
            session = self.login_soon(user)
            left = set(session.uidl().values())
            session.quit()
            self.assertIn(left, (before, before - deleted), f"{user}: half deleted")
            if answer.startswith("+OK"):
                self.assertEqual(before - deleted, left, f"{user}: +OK and yet not deleted")
                self.outcomes["+OK"] += 1
            self.outcomes["none" if left == before else "all"] += 1
        self.empty()

    def run_rounds(self, victim):
        for round_number in range(ROUNDS):
            self.run_round(victim, round_number * STEP_SECONDS)
        print(f"{victim.name} killed {ROUNDS} times: {self.outcomes}")

    def test_pop3d_is_killed(self):
        self.run_rounds(self.stack.pop3d)

    def test_stored_is_killed(self):
        self.run_rounds(self.stack.stored)


if __name__ == "__main__":
    unittest.main()
