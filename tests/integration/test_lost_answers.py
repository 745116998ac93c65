"""The store did what it was asked and its answer got lost: nothing is done twice, nothing that was acknowledged is missing,
and no maildrop stays locked."""

import random
import threading
import time
import unittest

from mailstead import pop3, smtp
from mailstead.process import wait_until
from mailstead.proxy import LossyProxy
from mailstead.stack import StackCase
from mailstead.trace import strip_trace

SEED = 8


def message(name):
    return f"Subject: {name}\r\n\r\nText of {name}\r\n".encode()


def name_of(raw):
    """Of a message that came back whole."""
    content = strip_trace(raw).content
    name = content.split(b"\r\n", 1)[0].removeprefix(b"Subject: ").decode()
    assert content == message(name), content
    return name


class LostAnswersTest(StackCase):

    def setUp(self):
        self.random = random.Random(SEED)
        self.stack = stack = self.new_stack()
        stack.add_stored()
        self.proxy = LossyProxy(stack.stored.address)
        self.addCleanup(self.proxy.close)
        # Known to be alone with their mailboxes.
        self.users = stack.add_accounts(*(f"user{number}" for number in range(4)))
        stack.add_smtpd(store=self.proxy.address)
        stack.add_pop3d(store=self.proxy.address, lease_ttl="30s")

    def disturb(self, running, most=0.3):
        """Loses answers for a moment, now and then, until `running()` says no."""
        while running():
            time.sleep(self.random.uniform(0.05, most))
            with self.proxy.losing_answers():
                time.sleep(self.random.uniform(0.0, 0.15))

    def in_threads(self, function, arguments):
        """Runs function(argument) for each, disturbed; gives the errors of the threads."""
        errors = []

        def run(argument):
            try:
                function(argument)
            except BaseException as error:  # pylint: disable=broad-except
                errors.append(error)
        threads = [threading.Thread(target=run, args=(argument,)) for argument in arguments]
        for thread in threads:
            thread.start()
        self.disturb(lambda: any(thread.is_alive() for thread in threads))
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def test_deliveries_are_stored_once(self):
        acknowledged, tried = {user: set() for user in self.users}, {user: set() for user in self.users}

        def deliver(user):
            until = time.monotonic() + 12
            number = 0
            while time.monotonic() < until:
                number += 1
                name = f"{user.split('@')[0]}-{number}"
                tried[user].add(name)
                try:
                    self.stack.send(user, message(name))
                    acknowledged[user].add(name)
                except smtp.Refused as refused:
                    self.assertIn(refused.reply.code, (421, 451), refused)
        self.in_threads(deliver, self.users)
        self.wait_until_calm()
        for user in self.users:
            names = [name_of(raw) for raw in self.fetch_all(user)]
            self.assertEqual(len(set(names)), len(names), "stored twice")
            self.assertLessEqual(acknowledged[user], set(names), "acknowledged and not there")
            self.assertLessEqual(set(names), tried[user])
            self.assertGreater(len(acknowledged[user]), 5, "most mail gets through")

    def test_maildrops_are_never_left_locked_and_quit_means_what_it_says(self):
        for user in self.users:
            for number in range(6):
                self.stack.send(user, message(f"{user.split('@')[0]}-{number}"))
        left = {}

        def poll(user):
            until = time.monotonic() + 12
            known, unclear = 6, False
            while time.monotonic() < until:
                try:
                    with self.stack.pop3(user) as session:
                        count, _ = session.stat()
                        # What was not deleted is there, and what was is not; after a QUIT that had no +OK, either.
                        self.assertIn(count, (known, known - 1) if unclear else (known,), user)
                        known, unclear = count, False
                        delete = count > 0 and self.random.random() < 0.2
                        if delete:
                            session.dele(1)
                            unclear = True
                        session.ok("QUIT")
                        if delete:
                            known, unclear = known - 1, False
                except pop3.Refused as refused:
                    self.assertIn(refused.response_code, ("SYS/TEMP", "IN-USE"), refused.line)
                except (OSError, EOFError):
                    pass
            left[user] = {known, known - 1} if unclear else {known}
        self.in_threads(poll, self.users)
        self.wait_until_calm()
        for user in self.users:
            self.assertIn(len(self.fetch_all(user)), left[user], user)

    def wait_until_calm(self):
        for server in (self.stack.smtpd, self.stack.pop3d):
            server.wait_ready()

    def fetch_all(self, user):
        """At the latest some seconds after the last answer was lost the maildrop is free."""
        def fetched():
            try:
                return [self.stack.fetch_all(user)]
            except pop3.Refused as refused:
                self.assertIn(refused.response_code, ("SYS/TEMP", "IN-USE"), refused.line)
                return None
        begin = time.monotonic()
        [messages] = wait_until(fetched, 8, f"the maildrop of {user} is free", interval=0.2)
        print(f"{user} was free after {time.monotonic() - begin:.1f} s")
        return messages


if __name__ == "__main__":
    unittest.main()
