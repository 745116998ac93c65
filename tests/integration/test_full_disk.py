"""A full disk: mail is deferred with 452, health is red, the process lives, and recovers when there is room."""

import os
import unittest

from mailstead.paths import tool
from mailstead.process import run_tool, wait_until
from mailstead.smtp import Refused
from mailstead.stack import StackCase
from mailstead.trace import sha256, strip_trace

MEBIBYTE = 1 << 20


class FullDiskTest(StackCase):

    def small_disk(self):
        """A folder with 96 MiB, or None where mounting is not allowed."""
        folder = self.stack.folder / "disk"
        folder.mkdir()
        done = run_tool([tool("mount"), "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder])
        if done.returncode != 0:
            return None
        self.addCleanup(lambda: run_tool([tool("umount"), "--lazy", folder]))
        return folder

    def setUp(self):
        self.stack = self.new_stack()
        self.disk = self.small_disk()

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
        self.assertIn(b'"healthy": false', status.stdout.replace(b'"healthy":false', b'"healthy": false'))

    def test_the_disk_fills_up(self):
        if self.disk is None:
            self.fail("mount -t tmpfs is not permitted here: run the tests as root or in a container that may mount")
        # Nothing is kept free, so that it is the writes that fail.
        self.start(data_dir=self.disk / "store", min_free_bytes=0)
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
        # What is there can be read, and deleted: that is how room is made.
        session = self.stack.pop3(self.user, timeout=60)
        count, _ = session.stat()
        self.assertEqual(len(accepted), count)
        for number, content in enumerate(accepted, 1):
            self.assertEqual(sha256(content), sha256(strip_trace(session.retr(number)).content))
        session.close()
        # The operator makes room.
        done = run_tool([tool("mount"), "-o", "remount,size=512m", self.disk])
        self.assertEqual(0, done.returncode, done.stderr)
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
        if self.disk is None:
            self.fail("mount -t tmpfs is not permitted here: run the tests as root or in a container that may mount")
        self.start(data_dir=self.disk / "store", min_free_bytes=40 * MEBIBYTE)
        self.assertEqual(250, self.send(0)[0])
        ballast = self.disk / "ballast"
        ballast.write_bytes(bytes(60 * MEBIBYTE))
        self.stack.stored.wait_not_ready()
        self.assert_red_and_alive(self.send(1)[0])
        ballast.unlink()
        self.stack.stored.wait_ready()
        self.assertEqual(250, self.send(2)[0])
        self.assertEqual(2, len(self.stack.fetch_all(self.user)))


if __name__ == "__main__":
    unittest.main()
