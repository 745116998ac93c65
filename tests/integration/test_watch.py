"""The change feed from outside: nothing is left out, whatever is killed, and what cannot be told any more is said."""

import asyncio
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import grpc

from mailstead import pop3
from mailstead.feed import Feed, apply, watch_fields
from mailstead.process import clean_environment, program_argv, wait_until
from mailstead.stack import StackCase
from mailstead.store_client import message

WATCH = "WatchService/Watch"
MAIL = b"Subject: watched\r\n\r\nHello\r\n"


class WatchCase(StackCase):

    def start(self, users, **flags):
        self.stack = stack = self.new_stack()
        stack.add_stored(**flags)
        stack.add_smtpd()
        self.users = stack.add_accounts(*users)
        self.feed = self.new_feed()

    def new_feed(self, options=()):
        feed = Feed(self.stack.stored.address, self.stack.token("operator"), options)
        self.addCleanup(feed.close)
        return feed

    def deliver(self, count, users=None):
        with self.stack.mx() as session:
            for _ in range(count):
                session.deliver("a@elsewhere.test", users or self.users, MAIL)

    def in_background(self, *works):
        """Runs them at the same time; what fails there fails here."""
        failures = []

        def run(work):
            try:
                work()
            except Exception as failure:  # pylint: disable=broad-except
                failures.append(failure)
        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()

        def join():
            for thread in threads:
                thread.join()
            if failures:
                raise failures[0]
        return join

    def assert_code(self, code, reason, events):
        with self.assertRaises(grpc.RpcError) as caught:
            list(events)
        self.assertEqual(code, caught.exception.code(), caught.exception.details())
        details = dict(caught.exception.trailing_metadata()).get("grpc-status-details-bin", b"")
        self.assertIn(reason.encode(), details)


class FollowTest(WatchCase):

    def test_list_then_watch_follows_what_three_others_do(self):
        self.start(["user"])
        self.stack.add_pop3d()
        [user] = self.users
        self.deliver(120)

        def by_pop3():
            for _ in range(4):
                with self.stack.pop3(user) as session:
                    for number in session.uidl():
                        try:
                            session.retr(number)
                        except pop3.Refused as refused:
                            # By the API, meanwhile.
                            self.assertIn("does not exist any more", refused.line)
                        session.dele(number)
                    session.quit()

        def by_api():
            feed = self.new_feed()
            for _ in range(10):
                ids, _ = feed.ids(user)
                # Also while a POP3 session holds the maildrop.
                feed.delete(user, sorted(ids)[::3] or [1])
        join = self.in_background(lambda: self.deliver(150), by_pop3, by_api)
        known, cursor = self.feed.ids(user)
        events = self.feed.events(accounts=[user], cursor=cursor, heartbeat_interval={"seconds": 1})
        join()
        last = self.stack.ctl.json("message", "list", user)["messages"]
        there = {int(message["message_id"]) for message in last}
        for event in events:
            apply(event, known)
            if event.HasField("heartbeat"):
                break
        self.assertEqual(there, known)
        self.assertEqual(there, self.feed.ids(user)[0])

    def test_a_follower_misses_nothing_when_the_store_is_killed(self):
        self.start(["user", "other"])
        user, _ = self.users
        known, state = set(), {"stop": False, "cursor": b""}

        def follow():
            feed = self.new_feed()
            while not state["stop"]:
                where = {"cursor": state["cursor"]} if state["cursor"] else {"start": "WATCH_START_OLDEST"}
                try:
                    for event in feed.events(accounts=[user], heartbeat_interval={"seconds": 1}, **where):
                        apply(event, known)
                        state["cursor"] = event.cursor
                        if state["stop"] and event.HasField("heartbeat"):
                            return
                except grpc.RpcError as error:
                    self.assertIn(error.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED), error)
                    time.sleep(0.05)

        join = self.in_background(follow)
        for _ in range(3):
            sent = self.in_background(lambda: self.send_through_a_kill(user))
            time.sleep(0.3)
            self.stack.stored.kill()
            self.stack.stored.restart()
            sent()
        self.deliver(3)
        there, _ = self.feed.ids(user)
        wait_until(lambda: known == there, what=f"the follower knows what is there: {known ^ there}")
        state["stop"] = True
        join()
        self.assertEqual(there, known)

    def send_through_a_kill(self, user):
        """Mail until the store is away, and some deletions."""
        for _ in range(30):
            try:
                self.deliver(3)
                ids, _ = self.feed.ids(user)
                self.feed.delete(user, sorted(ids)[:1])
            except (AssertionError, OSError, EOFError, grpc.RpcError):
                return

    def test_a_thousand_streams_are_each_told_of_their_mailbox(self):
        self.start(["first"])
        count = 1000
        users = self.stack.add_accounts(*[f"user{number}" for number in range(count)])
        told = {}
        started = threading.Semaphore(0)
        begun = time.monotonic()

        class Told(threading.Thread):
            """All streams of one connection: callbacks of gRPC would be threads as well."""

            def __init__(self, feed, address, names):
                super().__init__()
                self.feed, self.address, self.names = feed, address, names

            def run(self):
                asyncio.run(self.all())

            async def one(self, channel, name):
                request = message("mailstead.store.v1.WatchRequest")(**watch_fields(accounts=[name]))
                call = self.feed.stub(WATCH, channel)(request, timeout=120, metadata=self.feed.metadata)
                async for response in call:
                    for event in response.events:
                        if event.HasField("started"):
                            started.release()
                        if event.HasField("delivered"):
                            told[name] = time.monotonic()
                            call.cancel()
                            return

            async def all(self):
                async with grpc.aio.insecure_channel(self.address) as channel:
                    await asyncio.gather(*[self.one(channel, name) for name in self.names])
        thread = Told(self.feed, self.stack.stored.address, users)
        thread.start()
        for _ in range(count):
            self.assertTrue(started.acquire(timeout=60))
        sent = {}
        with self.stack.mx() as session:
            for user in users:
                session.deliver("a@elsewhere.test", [user], MAIL)
                sent[user] = time.monotonic()
        thread.join(120)
        self.assertEqual(set(users), set(told))
        late = [told[user] - sent[user] for user in users]
        print(f"{count} streams: begun and told in {time.monotonic() - begun:.1f} s, median "
              f"{1000 * statistics.median(late):.1f} ms behind the answer to DATA, "
              f"{self.stack.stored.process.resident_bytes() >> 20} MiB")
        self.assertLess(statistics.median(late), 1)


    def test_streams_are_told_when_the_store_ends(self):
        self.start(["user"], drain_timeout="60s")
        events = self.feed.events(accounts=self.users)
        next(events)
        begun = time.monotonic()
        self.assertEqual(0, self.stack.stored.terminate())
        self.assertLess(time.monotonic() - begun, 30, "nothing waits for a stream that lasts")
        self.assert_code(grpc.StatusCode.UNAVAILABLE, "WATCH_ENDED", events)


class CursorTest(WatchCase):

    def test_a_cursor_expires_with_the_changes_behind_it(self):
        self.start(["user"], change_age="10s")
        event = next(self.feed.events(accounts=self.users))
        self.deliver(1)

        def refused():
            try:
                next(self.feed.events(accounts=self.users, cursor=event.cursor))
            except grpc.RpcError as error:
                return error
            return None
        error = wait_until(refused, 60, "the cursor has expired", interval=0.5)
        self.assertEqual(grpc.StatusCode.OUT_OF_RANGE, error.code())
        self.assertIn(b"CURSOR_EXPIRED", dict(error.trailing_metadata())["grpc-status-details-bin"])

    def test_cursors_and_consumers_of_before_a_restore_are_expired(self):
        self.start(["user"], backup_dir=self.new_folder())
        self.stack.ctl.run("consumer", "create", "desk", "--all")
        self.deliver(1)
        self.stack.ctl.run("backup", "create", "a")
        cursor = next(self.feed.events(accounts=self.users)).cursor
        stored = self.stack.stored
        data = pathlib.Path(stored.flags["data_dir"])
        stored.terminate()
        data.rename(data.with_name("before"))
        subprocess.run(["cp", "-a", pathlib.Path(stored.flags["backup_dir"]) / "a", data], check=True)
        for secret in data.with_name("before").glob("*.key"):
            subprocess.run(["cp", "-a", secret, data], check=True)
        stored.restart()
        feed = self.new_feed()
        self.assert_code(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED",
                         feed.events(accounts=self.users, cursor=cursor))
        self.assert_code(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", feed.events(consumer="desk"))
        self.assertTrue(self.stack.ctl.json("consumer", "show", "desk")["expired"])
        self.stack.ctl.run("consumer", "reset", "desk", "--from", "start")
        kinds = []
        for event in feed.events(consumer="desk", heartbeat_interval={"seconds": 1}):
            kinds.append(event.WhichOneof("event"))
            if kinds[-1] == "heartbeat":
                break
        self.assertEqual(["started", "account_changed", "delivered", "heartbeat"], kinds)

    def new_folder(self):
        folder = tempfile.TemporaryDirectory(prefix="mailstead-backups-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def test_a_reader_that_does_not_read_is_ended(self):
        self.start(["user"], watch_write_timeout="2s")
        # More than fits into a window of gRPC, which is to stay as it is.
        self.deliver(2000)
        window = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536)]
        slow, stuck = [self.new_feed(window).responses(60, start="WATCH_START_OLDEST", everything=True)
                       for _ in range(2)]

        # Behind the one limit and before the other.
        time.sleep(3)
        with self.assertRaises(grpc.RpcError) as caught:
            for _ in slow:
                pass
        self.assertEqual(grpc.StatusCode.RESOURCE_EXHAUSTED, caught.exception.code())
        self.assertIn(b"SLOW_READER", dict(caught.exception.trailing_metadata())["grpc-status-details-bin"])
        time.sleep(3)
        with self.assertRaises(grpc.RpcError) as caught:
            for _ in stuck:
                pass
        self.assertEqual(grpc.StatusCode.CANCELLED, caught.exception.code())


class ConsumerTest(WatchCase):

    def worker(self, name, ledger):
        environment = clean_environment({"PYTHONPATH": ":".join(sys.path)})
        process = subprocess.Popen([sys.executable, "-m", "mailstead.feed", self.stack.stored.address,
                                    str(self.stack.token("operator")), name, str(ledger)], env=environment,
                                   stderr=subprocess.DEVNULL)

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)
        return process

    def test_another_worker_takes_over_when_one_is_killed(self):
        self.start(["user"])
        self.stack.ctl.run("consumer", "create", "desk", "--account", self.users[0])
        ledgers = [self.stack.folder / f"ledger-{number}" for number in range(3)]
        workers = []
        for number, ledger in enumerate(ledgers):
            workers.append(self.worker("desk", ledger))
            wait_until(lambda number=number: self.stack.ctl.json("consumer", "show", "desk")["waiting_count"] == number,
                       30, "the worker has come", interval=0.1)

        def lines():
            return [line for ledger in ledgers if ledger.exists()
                    for line in ledger.read_text(encoding="ascii").splitlines()]
        for killed in range(2):
            join = self.in_background(lambda: self.deliver(40))
            before = len(lines())
            wait_until(lambda before=before: len(lines()) > before + 5, 30, "the worker works")
            workers[killed].send_signal(signal.SIGKILL)
            at = time.monotonic()
            join()
            count = 40 * (killed + 1)
            wait_until(lambda count=count: len(set(lines())) == count, 30, "the next one goes on")
            print(f"taken over and caught up in {time.monotonic() - at:.1f} s")
        # What one had done and not acknowledged the next one has done again, and no more.
        done = [int(line.split()[1]) for line in lines()]
        self.assertEqual(set(range(1, 81)), set(done))
        self.assertLessEqual(len(done), 80 + 2)
        wait_until(lambda: self.stack.ctl.json("consumer", "show", "desk")["lag_count"] == "0", 30, "all is acknowledged")

    def test_it_goes_on_when_the_store_is_killed(self):
        self.start(["user"])
        self.stack.ctl.run("consumer", "create", "desk", "--all", "--from", "start")
        seen = []
        for _ in range(3):
            self.deliver(5)
            feed = self.new_feed()
            for event in feed.events(consumer="desk", heartbeat_interval={"seconds": 1}):
                if event.HasField("delivered"):
                    seen.append(event.delivered.message_id)
                    feed.ack("desk", event.cursor)
                if event.HasField("heartbeat"):
                    break
            self.stack.stored.kill()
            self.stack.stored.restart()
        self.assertEqual(list(range(1, 16)), seen)


class MailctlTest(WatchCase):

    def test_watch_prints_a_line_for_each_event_until_ctrl_c(self):
        self.start(["user"])
        self.deliver(1)
        environment = clean_environment({"MAILCTL_STORE": self.stack.ctl.store,
                                         "MAILCTL_TOKEN_FILE": str(self.stack.ctl.token_file)})
        process = subprocess.Popen([*map(str, program_argv("mailctl", {})), "watch", "--account", self.users[0],
                                    "--from", "start", "--json"], env=environment, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        events = [json.loads(process.stdout.readline()) for _ in range(3)]
        self.assertEqual(self.users[0], events[2]["address"])
        self.assertEqual("1", events[2]["delivered"]["message_id"])
        self.deliver(1)
        self.assertEqual("2", json.loads(process.stdout.readline())["delivered"]["message_id"])
        process.send_signal(signal.SIGINT)
        self.assertEqual(-signal.SIGINT, process.wait(10))
        # From a cursor, in words.
        process = subprocess.Popen([*map(str, program_argv("mailctl", {})), "watch", "--account", self.users[0],
                                    "--from", events[2]["cursor"]], env=environment, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertTrue(process.stdout.readline().startswith(b"from cursor "))
        self.assertIn(b" delivered 2 from a@elsewhere.test, ", process.stdout.readline())

    def test_what_is_given_wrongly_is_said(self):
        self.start(["user"])
        for arguments in (("watch",), ("watch", "--all", "--domain", "example.test"), ("watch", "--all", "--from", "?")):
            self.assertEqual(2, self.stack.ctl.raw(*arguments).returncode, arguments)
        self.assertEqual(3, self.stack.ctl.raw("watch", "--account", "nobody@example.test").returncode)
        self.assertEqual(3, self.stack.ctl.raw("consumer", "show", "nobody").returncode)


if __name__ == "__main__":
    unittest.main()
