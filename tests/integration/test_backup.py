"""Backups: made while the store serves, whole or not there at all, and restored by the steps of docs/operations.md."""

import base64
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from mailstead.disk import Disk
from mailstead.pop3 import Refused
from mailstead.process import clean_environment, program_argv, wait_until
from mailstead.stack import StackCase

MEBIBYTE = 1 << 20


# Hardly compresses.
NOISE = base64.encodebytes(os.urandom(3 * MEBIBYTE)).replace(b"\n", b"\r\n")


def message(number, size=0):
    return b"Subject: %d\r\n\r\nHello\r\n" % number + NOISE[:size // 78 * 78]


class BackupCase(StackCase):

    def start(self, **flags):
        self.stack = self.new_stack()
        self.backups = pathlib.Path(flags.pop("backup_dir", self.stack.folder / "backups"))
        self.backups.mkdir(exist_ok=True)
        self.stack.add_stored(backup_dir=self.backups, **flags)
        self.stack.add_smtpd()
        self.stack.add_pop3d()
        [self.user] = self.stack.add_accounts("user")

    def send(self, number, size=0):
        self.assertEqual(250, self.stack.send(self.user, message(number, size)).code)

    def names(self):
        return [backup["name"] for backup in self.stack.ctl.json("backup", "list")["backups"]]

    def uidls(self):
        with self.stack.pop3(self.user) as session:
            return list(session.uidl().values())

    def can_log_in(self):
        try:
            self.stack.pop3(self.user).close()
        except Refused as refused:
            self.assertIn("[SYS/TEMP]", str(refused))
            return False
        return True

    def restore(self, name):
        """The steps of docs/operations.md; gives the folder of data from before."""
        stored = self.stack.stored
        data = pathlib.Path(stored.flags["data_dir"])
        before = data.with_name("store.before")
        stored.terminate()
        data.rename(before)
        self.assertEqual(0, subprocess.run(["cp", "-a", self.backups / name, data], check=False).returncode)
        for secret in before.glob("*.key"):
            self.assertEqual(0, subprocess.run(["cp", "-a", secret, data], check=False).returncode)
        stored.restart()
        self.assertEqual(0, int(self.stack.ctl.json("verify")["damaged_count"]))
        # The front-ends come back to it by themselves.
        wait_until(self.can_log_in, what="login", interval=0.1)
        return before

    def begin(self, name):
        """mailctl backup create, as a process."""
        environment = clean_environment({"MAILCTL_STORE": self.stack.ctl.store,
                                         "MAILCTL_TOKEN_FILE": str(self.stack.ctl.token_file)})
        process = subprocess.Popen([*map(str, program_argv("mailctl", {})), "backup", "create", name],
                                   env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        return process


class BackupTest(BackupCase):

    def test_what_mailctl_says_of_them(self):
        self.start()
        for number in range(3):
            self.send(number, 100_000)
        ctl = self.stack.ctl
        self.assertEqual(b"no backups\n", ctl.run("backup", "list"))
        out = ctl.run("backup", "create", "2026-11-23_a.b").decode()
        self.assertTrue(out.endswith("backup 2026-11-23_a.b made: 3 messages, 0 damaged\n"), out)
        [backup] = ctl.json("backup", "list")["backups"]
        self.assertEqual("2026-11-23_a.b", backup["name"])
        self.assertEqual(3, int(backup["message_count"]))
        self.assertGreater(int(backup["disk_bytes"]), 150_000)
        self.assertEqual(9, backup["schema_version"])
        self.assertTrue(backup["verify_time"])
        self.assertEqual("0", backup["damaged_count"])
        self.assertEqual(ctl.json("status")["incarnation"], backup["incarnation"])
        # Their names, not what is in them.
        self.assertIn(str(self.stack.token("operator")), backup["secret_files"])
        kept = {path.name for path in (self.backups / backup["name"]).rglob("*") if path.is_file()}
        self.assertFalse(kept & {"grant.key", "decoy.key", "operator.token"})
        self.assertEqual([], [path for path in self.backups.rglob("*") if path.stat().st_mode & 0o077])

        self.assertEqual(4, ctl.raw("backup", "create", "2026-11-23_a.b").returncode)
        self.assertIn(b"3 messages", ctl.run("backup", "verify", "2026-11-23_a.b"))
        self.assertEqual(2, ctl.raw("backup", "remove", "2026-11-23_a.b").returncode, "nobody is there to be asked")
        ctl.run("backup", "remove", "2026-11-23_a.b", "--yes")
        self.assertEqual([], self.names())
        for verb in (["verify"], ["remove", "--yes"]):
            self.assertEqual(3, ctl.raw("backup", *verb, "2026-11-23_a.b").returncode)
        self.assertEqual([".lock"], os.listdir(self.backups))

    def test_names_that_lead_elsewhere_are_refused(self):
        self.start()
        for name in ("../up", "a/b", ".hidden", "..", "a b", "x" * 101, "ä", "/tmp/x"):
            for verb in (["create"], ["verify"], ["remove", "--yes"]):
                done = self.stack.ctl.raw("backup", *verb, "--", name)
                self.assertEqual(1, done.returncode, (verb, name))
                self.assertIn(f"{name}: must have 1 to 100 letters".encode(), done.stderr)
        self.assertEqual([], os.listdir(self.backups))

    def test_without_a_folder_none_are_made(self):
        stack = self.new_stack()
        stack.add_stored()
        for arguments in (["list"], ["create", "a"], ["verify", "a"], ["remove", "a", "--yes"]):
            done = stack.ctl.raw("backup", *arguments)
            self.assertEqual(1, done.returncode)
            self.assertIn(b"--backup_dir", done.stderr)
        stack.stored.terminate()
        # A disk that is not mounted gets none, and keeps no mail from coming in.
        stack.stored.flags["backup_dir"] = stack.folder / "not-there"
        stack.stored.restart()
        done = stack.ctl.raw("backup", "create", "a")
        self.assertEqual(1, done.returncode)
        self.assertIn(b"not-there", done.stderr)

    def test_damage_is_found(self):
        self.start()
        for number in range(5):
            self.send(number, 100_000)
        self.stack.ctl.run("backup", "create", "a")
        # A copy: the backup shares its files with the store.
        shutil.copytree(self.backups / "a", self.backups / "b")
        [blob] = (self.backups / "b").rglob("*.blob")
        with open(blob, "r+b") as file:
            file.seek(blob.stat().st_size // 2)
            file.write(b"damaged")
        done = self.stack.ctl.raw("backup", "verify", "b")
        self.assertEqual(1, done.returncode, done)
        self.assertIn(b"message", done.stderr)
        self.assertRegex(self.stack.ctl.run("backup", "list").decode(), r"(?m)^a .* yes$[\s\S]*^b .* 1 damaged$")
        self.stack.stored.process.wait_for_event("message_damaged", backup="b")
        self.assertIn(b"5 messages", self.stack.ctl.run("backup", "verify", "a"))


class RestoreTest(BackupCase):

    def test_mail_from_before_is_there_and_from_after_is_not(self):
        self.start()
        for number in range(5):
            self.send(number)
        before = self.uidls()
        incarnation = self.stack.ctl.json("status")["incarnation"]
        self.stack.ctl.run("backup", "create", "a")
        for number in range(5, 8):
            self.send(number)
        self.stack.ctl.run("message", "remove", self.user, "1")
        [other] = self.stack.add_accounts("other")
        self.assertEqual(7, len(self.uidls()))
        # One who is in the middle of a session, and one who may send.
        session = self.stack.pop3(self.user)
        self.addCleanup(session.close)
        submission = self.stack.submission(self.user)
        self.addCleanup(submission.close)

        old = self.restore("a")
        self.assertEqual(before, self.uidls())
        self.assertEqual(3, self.stack.ctl.raw("account", "show", other).returncode)
        self.assertEqual(incarnation, self.stack.stored.process.events(event="backup_opened")[0]["from"])
        restored = self.stack.ctl.json("status")["incarnation"]
        self.assertNotEqual(incarnation, restored)
        # What was granted before means nothing now: nobody is told that a deletion happened which did not.
        replies = [session.command("DELE 2")]
        if replies[0].startswith("+OK"):
            replies.append(session.command("QUIT"))
        self.assertTrue(replies[-1].startswith("-ERR"), replies)
        self.assertEqual(before, self.uidls())
        wait_until(lambda: submission.command("NOOP").code == 421, what="the submission has ended", interval=0.1)
        # Mail goes on, by new logins with the old passwords and tokens.
        self.send(9)
        self.assertEqual(before, self.uidls()[:5])
        self.assertEqual(6, len(self.uidls()))
        self.assertEqual((old / "grant.key").read_bytes(),
                         (pathlib.Path(self.stack.stored.flags["data_dir"]) / "grant.key").read_bytes())
        # The mark is gone, so that the next start is an ordinary one.
        self.stack.stored.terminate()
        self.stack.stored.restart()
        self.assertEqual(restored, self.stack.ctl.json("status")["incarnation"])
        # It can be restored again, as a store with a history of its own.
        shutil.rmtree(old)
        self.restore("a")
        self.assertEqual(before, self.uidls())
        self.assertNotIn(self.stack.ctl.json("status")["incarnation"], (incarnation, restored))


class InterruptedTest(BackupCase):
    """Onto another file system, where everything is copied and takes its time."""

    def setUp(self):
        self.disk = Disk(self, 512)
        self.start(backup_dir=self.disk.folder, min_free_bytes=0)
        for number in range(30):
            self.send(number, 3 * MEBIBYTE)
        self.unfinished = self.backups / ".unfinished"

    def begun(self, name):
        """mailctl backup create, which is in the middle of copying."""
        process = self.begin(name)
        wait_until(lambda: any(self.unfinished.rglob("*.blob")), what="files are being copied", interval=0.001)
        return process

    def assert_nothing_or_whole(self, name):
        if name in self.names():
            self.assertIn(b"30 messages, 0 damaged", self.stack.ctl.run("backup", "verify", name))
        else:
            self.assertFalse((self.backups / name).exists())

    def assert_next_one_succeeds(self):
        self.stack.ctl.run("backup", "create", "next")
        self.assertIn("next", self.names())
        self.assertFalse(self.unfinished.exists())

    def test_of_the_store_by_kill(self):
        process = self.begun("a")
        self.stack.stored.kill()
        self.assertEqual(5, process.wait(30), process.stderr.read())
        self.assertTrue(self.unfinished.exists(), "it was too late for this test")
        self.stack.stored.restart()
        self.assertEqual([], self.names())
        self.assertFalse((self.backups / "a").exists())
        self.assert_next_one_succeeds()

    def test_of_the_store_by_its_end(self):
        process = self.begun("a")
        started = time.monotonic()
        self.assertEqual(0, self.stack.stored.terminate())
        # Well before --drain_timeout: it does not go on to its end.
        self.assertLess(time.monotonic() - started, 2)
        self.assertEqual(5, process.wait(30), process.stderr.read())
        self.assertFalse(self.unfinished.exists())
        self.stack.stored.restart()
        self.assert_nothing_or_whole("a")
        self.assert_next_one_succeeds()

    def test_of_the_call(self):
        process = self.begun("a")
        process.send_signal(signal.SIGINT)
        process.wait(30)
        self.stack.stored.process.wait_for_event("backup_failed", backup="a")
        wait_until(lambda: not self.unfinished.exists(), what="nothing is left")
        self.assert_nothing_or_whole("a")
        self.assert_next_one_succeeds()

    def test_a_second_one_waits_for_another_time(self):
        process = self.begun("a")
        second = self.stack.ctl.raw("backup", "create", "b")
        self.assertEqual(5, second.returncode, second)
        self.assertIn(b"another backup", second.stderr)
        # Mail does not wait.
        self.send(100)
        self.assertEqual(0, process.wait(60), process.stderr.read())
        self.assertEqual(["a"], self.names())

    def test_too_little_room(self):
        self.disk.resize(32)
        done = self.stack.ctl.raw("backup", "create", "a")
        self.assertEqual(5, done.returncode, done)
        self.assertIn(b"disk is full", done.stderr)
        wait_until(lambda: not self.unfinished.exists(), what="nothing is left")
        self.assertEqual([], self.names())
        self.send(100)
        self.disk.resize(512)
        self.assert_next_one_succeeds()


if __name__ == "__main__":
    unittest.main()
