"""What the programs write is for their own user, and signals that other daemons know do what one expects, or nothing."""

import os
import pathlib
import signal
import unittest

from mailstead.process import wait_until
from mailstead.stack import StackCase

MAIL = b"Subject: files\r\n\r\nHello\r\n"


class FilesTest(StackCase):

    def test_all_that_is_written_is_private(self):
        self.addCleanup(os.umask, os.umask(0o000))
        stack = self.new_stack()
        stored = stack.add_stored()
        stack.add_smtpd(tls_cert="", tls_key="", tls_self_signed_dir=stack.folder / "tls")
        [user] = stack.add_accounts("user")
        stack.send(user, MAIL)
        data = pathlib.Path(stored.flags["data_dir"])
        paths = [data, *data.rglob("*"), *stack.folder.glob("*.token"), stack.folder / "tls", stack.folder / "tls/tls.key"]
        open_ones = [f"{path} {path.stat().st_mode:o}" for path in paths if path.stat().st_mode & 0o077]
        self.assertEqual([], open_ones)
        # These two are for others.
        for path in (stored.flags["address_file"], stack.folder / "tls/tls.crt"):
            self.assertEqual(0o644, pathlib.Path(path).stat().st_mode & 0o777, path)
        for server in stack.servers:
            self.assertEqual([], server.process.events(event="open_to_others"))

    def test_what_others_can_reach_is_named(self):
        stack = self.new_stack()
        stored = stack.add_stored()
        smtpd = stack.add_smtpd()
        smtpd.terminate()
        stored.terminate()
        data = pathlib.Path(stored.flags["data_dir"])
        data.chmod(0o755)
        stack.token("smtp").chmod(0o604)
        stored.restart()
        smtpd.restart()
        named = {got["path"]: got["mode"] for got in stored.process.events(event="open_to_others")}
        self.assertEqual({str(data): "0755", str(stack.token("smtp")): "0604"}, named)
        named = {got["path"]: got["mode"] for got in smtpd.process.events(event="open_to_others")}
        self.assertEqual("0604", named.get(str(stack.token("smtp"))))


class SignalsTest(StackCase):

    def test_hang_up_and_user_signals_end_nothing(self):
        stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd()
        stack.add_pop3d()
        [user] = stack.add_accounts("user")
        with stack.pop3(user) as session:
            for server in stack.servers:
                for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
                    os.kill(server.process.pid, number)
                server.process.wait_for_event("files_looked_at")
            session.ok("NOOP")
        stack.send(user, MAIL)
        wait_until(lambda: len(stack.fetch_all(user, delete=False)) == 1, what="mail goes on")


if __name__ == "__main__":
    unittest.main()
