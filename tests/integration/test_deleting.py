"""Messages are deleted by a client of the API, with a POP3 session at the same mailbox."""

import unittest

import grpc

from mailstead import pop3
from mailstead.feed import Feed
from mailstead.process import wait_until
from mailstead.stack import SharedStackCase, StackCase
from mailstead.store_client import message

GONE = "SYS/PERM"


def mail(number):
    return f"Subject: number {number}\r\n\r\n{'x' * number}\r\n".encode()


class DeletingTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd()
        stack.first = stack.add_pop3d()
        stack.other = stack.add_pop3d()

    def setUp(self):
        super().setUp()
        self.feed = Feed(self.stack.stored.address, self.stack.token("operator"))
        self.addCleanup(self.feed.close)

    def fill(self, name, count):
        """(address, its messages as UIDL says it: [(id, unique-id)])"""
        [user] = self.stack.add_accounts(name)
        for number in range(1, count + 1):
            self.stack.send(user, mail(number))
        return user, self.there(user)

    def there(self, user):
        return [(int(message["message_id"]), message["unique_id"])
                for message in self.stack.ctl.json("message", "list", user)["messages"]]

    def assert_gone(self, session, command):
        with self.assertRaises(pop3.Refused) as caught:
            session.ok(command)
        self.assertEqual(GONE, caught.exception.response_code, caught.exception.line)
        self.assertIn("does not exist any more", caught.exception.line)

    def assert_seen(self, user):
        """By a new session at each front-end: just what is there."""
        there = self.there(user)
        for server in (self.stack.first, self.stack.other, self.stack.first):
            with self.stack.pop3(user, server=server) as session:
                self.assertEqual(dict(enumerate((unique for _, unique in there), 1)), session.uidl())
                count, size = session.stat()
                raw = [session.retr(number) for number in range(1, count + 1)]
                self.assertEqual((len(there), sum(map(len, raw))), (count, size))
                session.quit()

    def deletions(self, user):
        """[(ids, cause)] as the feed tells them."""
        causes = message("mailstead.store.v1.WatchDeleted").Cause
        told = []
        for event in self.feed.events(accounts=[user], start="WATCH_START_OLDEST", heartbeat_interval={"seconds": 1}):
            if event.HasField("deleted"):
                told.append((list(event.deleted.message_ids), causes.Name(event.deleted.cause)))
            if event.HasField("heartbeat"):
                return told

    def test_a_session_keeps_its_listing_and_loses_the_message(self):
        user, messages = self.fill("keeps", 6)
        ids = [number for number, _ in messages]
        session = self.stack.pop3(user, server=self.stack.first)
        listed = session.stat(), session.list(), session.uidl()
        self.feed.delete(user, [ids[1], ids[4]])
        self.assertEqual(listed, (session.stat(), session.list(), session.uidl()))
        self.assert_gone(session, "RETR 2")
        self.assert_gone(session, "TOP 5 0")
        self.assertTrue(session.retr(1).endswith(mail(1)))
        # What is gone already is no error, and keeps nothing else from being deleted.
        session.dele(2)
        session.dele(6)
        count, size = session.stat()
        sizes = dict(listed[1])
        self.assertEqual((4, listed[0][1] - sizes[2] - sizes[6]), (count, size))
        session.quit()
        self.assertEqual([messages[0], messages[2], messages[3]], self.there(user))
        self.assert_seen(user)
        # A caller that comes after the session finds what that has deleted gone.
        self.feed.delete(user, [ids[0], ids[5]])
        self.assert_seen(user)
        self.assertEqual([([ids[1], ids[4]], "CAUSE_API"), ([ids[5]], "CAUSE_POP3"), ([ids[0]], "CAUSE_API")],
                         self.deletions(user))
        self.assertEqual("2", str(self.stack.ctl.json("account", "show", user)["usage"]["messages"]))

    def test_a_session_that_deletes_nothing_leaves_no_ghost(self):
        user, messages = self.fill("leaves", 3)
        self.assert_seen(user)
        with self.stack.pop3(user, server=self.stack.first) as session:
            self.feed.delete(user, [messages[0][0]])
            self.assertEqual(3, session.stat()[0])
            session.ok("NOOP")
            session.quit()
        self.assert_seen(user)
        with self.stack.pop3(user, server=self.stack.first) as session:
            self.feed.delete(user, [number for number, _ in messages])
            for number in (1, 2):
                session.dele(number)
            session.quit()
        self.assertEqual([], self.there(user))
        self.assert_seen(user)

    def test_large_messages_are_gone_too(self):
        """Of those that come in pieces, not with others."""
        [user] = self.stack.add_accounts("large")
        for _ in range(2):
            self.stack.send(user, b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 4000)
        (first, _), _ = self.there(user)
        with self.stack.pop3(user) as session:
            self.feed.delete(user, [first])
            self.assert_gone(session, "RETR 1")
            self.assert_gone(session, "TOP 1 3")
            self.assertGreater(len(session.retr(2)), 280_000)
            session.quit()

    def test_by_a_filter(self):
        user, messages = self.fill("filtered", 12)
        ids = [str(number) for number, _ in messages]
        found = ids[0:1] + ids[9:]
        remove = ("message", "remove", user, "--subject=NUMBER 1")
        told = self.stack.ctl.json(*remove, "--dry_run")
        self.assertEqual(("4", found), (told["deleted_count"], told["deleted_message_ids"]))
        self.assertEqual(messages, self.there(user))
        # Also while a session holds the mailbox.
        with self.stack.pop3(user, server=self.stack.first) as session:
            told = self.stack.ctl.json(*remove, "--yes")
            self.assertEqual(("4", found), (told["deleted_count"], told["deleted_message_ids"]))
            self.assert_gone(session, "RETR 12")
            session.dele(12)
            session.dele(2)
            session.quit()
        self.assertEqual(messages[2:9], self.there(user))
        self.assert_seen(user)
        self.assertEqual("0", self.stack.ctl.json(*remove, "--yes")["deleted_count"])
        size = next(int(message["size_bytes"]) for message in self.stack.ctl.json("message", "list", user)["messages"])
        told = self.stack.ctl.json("message", "remove", user, f"--min_size={size + 1}", "--yes")
        self.assertEqual(ids[3:9], told["deleted_message_ids"])
        self.assertEqual(messages[2:3], self.there(user))
        self.assertEqual([([int(number) for number in found], "CAUSE_API"), ([messages[1][0]], "CAUSE_POP3"),
                          ([number for number, _ in messages[3:9]], "CAUSE_API")], self.deletions(user))


class KilledTest(StackCase):

    def test_a_deletion_by_a_filter_outlives_the_store(self):
        """A call without an answer is repeated, and what was answered is on disk."""
        stack = self.new_stack()
        stack.add_stored()
        [user] = stack.add_accounts("user")
        for number in range(1, 31):
            stack.ctl.run("deliver", "-", f"--to={user}", input=mail(number))
        feed = Feed(stack.stored.address, stack.token("operator"))
        self.addCleanup(feed.close)

        def delete(timeout=30):
            return feed.call("MessageService/DeleteMessages", account=user, filter={"subject_contains": "number 1"},
                             timeout=timeout)
        stack.stored.kill()
        with self.assertRaises(grpc.RpcError) as caught:
            delete(timeout=2)
        self.assertEqual(grpc.StatusCode.UNAVAILABLE, caught.exception.code())
        stack.stored.restart()

        def connected():
            try:
                return feed.ids(user)[0]
            except grpc.RpcError:
                return None
        wait_until(connected, 20, "the client is connected again")
        answer = delete()
        self.assertEqual([1, *range(10, 20)], list(answer.deleted_message_ids))
        self.assertEqual("", answer.next_page_token)
        stack.stored.kill()
        stack.stored.restart()
        left = [int(message["message_id"]) for message in stack.ctl.json("message", "list", user)["messages"]]
        self.assertEqual([*range(2, 10), *range(20, 31)], left)


if __name__ == "__main__":
    unittest.main()
