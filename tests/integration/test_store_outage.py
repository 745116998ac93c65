"""The store goes away and comes back; the front-ends live on and say so."""

import shutil
import threading
import time
import unittest

from mailstead import pop3
from mailstead.process import wait_until
from mailstead.stack import StackCase
from mailstead.trace import strip_trace

MAIL = b"Subject: outage\r\n\r\nHello\r\n"


class StoreOutageTest(StackCase):

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd(store_retry_for="1s", store_timeout="3s")
        stack.add_pop3d(store_timeout="3s", outcome_timeout="3s")
        self.user, self.other = stack.add_accounts("user", "other")

    def transaction(self, session):
        """A whole transaction; the code of the reply that ended it."""
        for line in ("MAIL FROM:<a@elsewhere.test>", f"RCPT TO:<{self.user}>"):
            reply = session.command(line)
            if reply.code != 250:
                session.command("RSET")
                return reply
        return session.data(MAIL)

    def assert_no_pop3_login(self):
        with self.stack.pop3() as session:
            with self.assertRaises(pop3.Refused) as caught:
                session.login(self.user, "correct horse battery")
            self.assertEqual("SYS/TEMP", caught.exception.response_code, caught.exception.line)

    def assert_red(self):
        for server in (self.stack.smtpd, self.stack.pop3d):
            server.wait_not_ready()
            self.assertEqual(200, server.admin("/healthz")[0])

    def assert_works_again(self):
        for server in (self.stack.smtpd, self.stack.pop3d):
            server.wait_ready()

    def test_killed_and_started_again(self):
        old = self.stack.mx()
        self.assertEqual(250, self.transaction(old).code)
        self.stack.stored.kill()
        reply = self.transaction(old)
        self.assertEqual(451, reply.code, reply)
        with self.stack.mx() as session:
            reply = self.transaction(session)
            self.assertEqual(451, reply.code, reply)
            self.assertTrue(reply.enhanced.startswith("4."), reply)
        self.assert_no_pop3_login()
        self.assert_red()
        self.stack.stored.restart()
        self.assert_works_again()
        self.assertEqual(250, self.transaction(old).code)
        self.assertEqual(2, len(self.stack.fetch_all(self.user)))

    def test_front_ends_start_before_the_store(self):
        self.stack.stored.kill()
        late = [self.stack.add_smtpd(ready=False), self.stack.add_pop3d(ready=False)]
        for server in late:
            server.wait_not_ready()
        self.stack.stored.restart()
        for server in late:
            server.wait_ready()

    def test_the_log_says_once_that_the_store_is_away_and_once_that_it_is_back(self):
        servers = (self.stack.smtpd, self.stack.pop3d)
        for server in servers:
            server.process.wait_for_event("store_reached")
        for _ in range(2):
            seen = [server.process.line_count() for server in servers]
            self.stack.stored.kill()
            # No client comes.
            for server, start in zip(servers, seen):
                server.process.wait_for_event("store_away", start=start, level="warning")
            time.sleep(2.5)  # More than two looks at it.
            self.stack.stored.restart()
            for server, start in zip(servers, seen):
                server.process.wait_for_event("store_reached", start=start, level="info")
        for server in servers:
            changes = [got["event"] for got in server.process.events()
                       if got["event"] in ("store_away", "store_reached")]
            self.assertEqual(["store_reached", *["store_away", "store_reached"] * 2], changes, server.name)

    def test_the_log_says_that_the_token_is_missing(self):
        token = self.stack.folder / "late.token"
        late = {"smtp": self.stack.add_smtpd(ready=False, store_token_file=token),
                "pop": self.stack.add_pop3d(ready=False, store_token_file=token)}
        for role, server in late.items():
            away = server.process.wait_for_event("store_away", level="warning")
            self.assertIn("UNAUTHENTICATED", away["error"])
        for role, server in late.items():
            # One file for both: the store takes each in its own role only.
            shutil.copy(self.stack.token(role), token)
            server.process.wait_for_event("store_reached")

    def test_hanging(self):
        session = self.stack.mx()
        self.stack.stored.process.stop()
        try:
            reply = self.transaction(session)
            self.assertEqual(451, reply.code, reply)
            self.assert_no_pop3_login()
            self.assert_red()
        finally:
            self.stack.stored.process.resume()
        self.assert_works_again()
        codes = [reply.code]

        def goes_on():
            codes.append(self.transaction(session).code)
            return codes[-1] == 250
        wait_until(goes_on, 20, "the session goes on", interval=0.2)
        # What was answered with 451 while the store hung may have been stored, but once at most.
        self.assertIn(len(self.stack.fetch_all(self.user)), range(1, len(codes) + 1))

    def hang_at_the_end_of(self, content):
        """The store hangs when the end of a message comes, for longer than one try may take; gives the reply."""
        with self.stack.mx(timeout=60) as session:
            session.envelope("a@elsewhere.test", self.user)
            session.expect(354, "DATA")
            session.send(content[:-2])
            # What came before is with the store.
            time.sleep(0.5)
            self.stack.stored.process.stop()
            try:
                session.send(content[-2:] + b".\r\n")
                # store_timeout and store_retry_for are over.
                time.sleep(5)
            finally:
                self.stack.stored.process.resume()
            return session.reply()

    def test_what_is_answered_with_451_is_not_stored(self):
        for size in (10, 30_000, 300_000):
            with self.subTest(size=size):
                content = b"Subject: hangs\r\n\r\n" + b"0123456789\r\n" * (size // 12)
                reply = self.hang_at_the_end_of(content)
                self.assertIn(reply.code, (250, 451), reply)
                self.assert_works_again()
                if reply.code == 451:
                    # As the sender does.
                    self.stack.send(self.user, content)
                self.assertEqual(1, len(self.stack.fetch_all(self.user)), reply)

    def test_quit_says_err_and_deletes_nothing_while_the_store_is_away(self):
        self.stack.send(self.user, MAIL)
        session = self.stack.pop3(self.user)
        session.dele(1)
        self.stack.stored.kill()
        reply = session.command("QUIT")
        self.assertTrue(reply.startswith("-ERR"), reply)
        self.stack.stored.restart()
        self.assert_works_again()
        again = wait_until(self.try_login, 10, "login after the outage", interval=0.05)
        self.assertEqual(1, again.stat()[0])
        again.quit()

    def test_retr_says_sys_temp_while_the_store_is_away(self):
        self.stack.send(self.user, MAIL)
        session = self.stack.pop3(self.user)
        self.stack.stored.kill()
        with self.assertRaises(pop3.Refused) as caught:
            session.retr(1)
        self.assertEqual("SYS/TEMP", caught.exception.response_code)
        self.assertTrue(session.command("NOOP").startswith("+OK"))
        session.close()

    def try_login(self):
        try:
            return self.stack.pop3(self.user)
        except pop3.Refused as refused:
            self.assertIn(refused.response_code, ("IN-USE", "SYS/TEMP"), refused.line)
            return None


class RetryTest(StackCase):

    def test_a_delivery_waits_for_the_store_and_is_stored_once(self):
        stack = self.new_stack()
        stack.add_stored()
        smtpd = stack.add_smtpd(store_retry_for="25s")
        stack.add_pop3d()
        users = stack.add_accounts("one", "two", "three")
        sessions = []
        for user in users:
            session = stack.mx(timeout=60)
            session.envelope("a@elsewhere.test", [user, users[0]])
            sessions.append(session)
        stack.stored.kill()
        codes = []
        senders = [threading.Thread(target=lambda s=session: codes.append(s.data(MAIL).code)) for session in sessions]
        for sender in senders:
            sender.start()
        # Each of them has found the store gone before it comes back.
        wait_until(lambda: not smtpd.ready(), what="smtpd notices")
        stack.stored.restart()
        for sender in senders:
            sender.join(60)
        self.assertEqual([250, 250, 250], codes)
        self.assertEqual([3, 1, 1], [len(stack.fetch_all(user)) for user in users])

    def test_a_repeat_after_a_lost_answer_is_stored_once(self):
        """The store hangs and is killed with calls under way: whatever it had committed is found by the repeat."""
        stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd(store_retry_for="25s", store_timeout="3s")
        stack.add_pop3d()
        [user] = stack.add_accounts("user")
        for round_number in range(3):
            sent = [b"Subject: %d-%d\r\n\r\nHello\r\n" % (round_number, index) for index in range(16)]
            sessions = [stack.mx(timeout=60) for _ in sent]
            for session, content in zip(sessions, sent):
                session.envelope("a@elsewhere.test", user)
                session.expect(354, "DATA")
            for session, content in zip(sessions, sent):
                session.send(content + b".\r\n")
                if content is sent[len(sent) // 2]:
                    stack.stored.kill()
            stack.stored.restart()
            self.assertEqual([250] * len(sent), [session.reply().code for session in sessions])
            wait_until(stack.pop3d.ready, what="pop3d ready")
            got = [strip_trace(raw).content for raw in stack.fetch_all(user)]
            self.assertEqual(sorted(sent), sorted(got))


if __name__ == "__main__":
    unittest.main()
