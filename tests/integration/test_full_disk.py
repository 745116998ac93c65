"""A full disk: mail is deferred with 452, health is red, the process lives, and recovers when there is room."""

import json
import os
import shutil
import unittest

from mailstead.disk import Disk
from mailstead.process import wait_until
from mailstead.smtp import Refused
from mailstead.stack import StackCase
from mailstead.trace import sha256, strip_trace

MEBIBYTE = 1 << 20


class FullDiskTest(StackCase):

    def setUp(self):
        self.stack = self.new_stack()

    def start(self, **flags):
        self.stack.add_stored(**flags)
        self.stack.add_smtpd(store_retry_for="0s")
        self.stack.add_pop3d()
        [self.user] = self.stack.add_accounts("user")

    def send(self, number):
        """The reply that ended the transaction, and what was sent."""
        # Does not compress.
        content = b"Subject: %d\r\n\r\n" % number + b"\r\n".join(
            os.urandom(60).hex().encode() for _ in range(MEBIBYTE // 122)) + b"\r\n"
        with self.stack.mx() as session:
            try:
                return session.deliver("a@elsewhere.test", self.user, content).code, content
            except Refused as refused:
                return refused.reply, content

    def assert_red_and_alive(self, reply):
        self.assertEqual(452, reply.code, reply)
        self.assertTrue(reply.enhanced.startswith("4.3"), reply)
        self.stack.stored.wait_not_ready()
        self.assertEqual(200, self.stack.stored.admin("/healthz")[0])
        self.assertTrue(self.stack.stored.process.running())
        status = self.stack.ctl.raw("status", "--json")
        self.assertEqual(5, status.returncode)
        self.assertEqual("HEALTH_FAILING", json.loads(status.stdout)["health"])

    def test_the_disk_fills_up(self):
        disk = Disk(self, 96)
        # Nothing is kept free, so that it is the writes that fail.
        self.start(data_dir=disk.folder / "store", min_free_bytes=0)
        accepted = []
        for number in range(300):
            reply, content = self.send(number)
            if reply != 250:
                break
            accepted.append(content)
        else:
            self.fail("300 MiB went into 96 MiB")
        print(f"{len(accepted)} messages of 1 MiB taken before the disk was full")
        self.assert_red_and_alive(reply)
        with self.stack.pop3() as session:
            session.ok(f"USER {self.user}")
            reply = session.command("PASS correct horse battery")
            self.assertTrue(reply.startswith(("+OK", "-ERR [SYS/TEMP]")), reply)
        # The operator makes room.
        disk.resize(512)
        self.stack.stored.wait_ready(60)
        reply, content = wait_until(lambda: self.taken(1000), 30, "mail is taken again", interval=0.2)
        accepted.append(content)
        got = wait_until(self.try_fetch_all, 15, "login", interval=0.1)
        self.assertEqual([sha256(item) for item in accepted],
                         [sha256(strip_trace(raw).content) for raw in got])
        self.assertEqual(0, int(self.stack.ctl.json("verify")["damaged_count"]))

    def taken(self, number):
        reply, content = self.send(number)
        return (reply, content) if reply == 250 else None

    def try_fetch_all(self):
        try:
            return self.stack.fetch_all(self.user, delete=False)
        except AssertionError:
            return None

    def test_too_little_is_free(self):
        disk = Disk(self, 400).folder
        self.start(data_dir=disk / "store", min_free_bytes=128 * MEBIBYTE)
        first = [self.send(number) for number in range(2)]
        self.assertEqual([250, 250], [reply for reply, _ in first])
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(disk).free - 100 * MEBIBYTE))
        self.stack.stored.wait_not_ready()
        self.assert_red_and_alive(self.send(1)[0])
        # What is there can be read, and deleted: that is how room is made.
        session = self.stack.pop3(self.user)
        self.assertEqual(sha256(first[0][1]), sha256(strip_trace(session.retr(1)).content))
        session.dele(1)
        session.quit()
        ballast.unlink()
        self.stack.stored.wait_ready()
        self.assertEqual(250, self.send(2)[0])
        self.assertEqual(2, len(self.stack.fetch_all(self.user)))


if __name__ == "__main__":
    unittest.main()
