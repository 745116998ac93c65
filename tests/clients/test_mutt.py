"""mutt and neomutt as Debian builds them, with GNU SASL and default settings: they take the first mechanism of the server's
that their library knows, SCRAM-SHA-256-PLUS when it is offered, and have no channel binding for it."""

import os
import pty
import select
import subprocess
import time
import unittest
import urllib.parse

from mailstead.paths import tool

from case import ClientCase

PATIENCE = 30


class MuttTest(ClientCase):

    def settings(self, name):
        user = urllib.parse.quote(self.target.address, safe="")
        lines = [f'set from="{self.target.address}"', "set use_from=yes", "unset use_envelope_from",
                 f'set smtp_url="smtp://{user}@{self.target.server_name}:{self.target.submission_port}/"',
                 f'set smtp_pass="{self.target.password}"', f'set pop_pass="{self.target.password}"',
                 "set ssl_starttls=yes", "set ssl_force_tls=yes", "unset copy", "set quit=yes", "set pop_checkinterval=0",
                 "set pop_delete=no", "unset wait_key", "set move=no", "set confirmappend=no", "set confirmcreate=no", "set record=",
                 f'set folder="{self.folder}"', f'set spoolfile="{self.folder}/spool"', "set save_history=0"]
        if name == "neomutt":
            lines.append("set history_file=/dev/null")
        if self.target.ca_file:
            lines.append(f'set certificate_file="{self.target.ca_file}"')
        self.file("spool", b"")
        return self.file("muttrc", "\n".join(lines) + "\n")

    def environment(self):
        return {**os.environ, "HOME": str(self.folder), "TERM": "xterm", "LC_ALL": "C.UTF-8"}

    def send(self, name, body):
        done = subprocess.run([tool(name), "-n", "-F", str(self.settings(name)), "-s", "from " + name, "--",
                               self.target.address], input=body, capture_output=True, timeout=PATIENCE,
                              env=self.environment(), check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def fetch(self, name):
        """The one message of the mailbox, as the client saves it."""
        url = (f"pops://{urllib.parse.quote(self.target.address, safe='')}@{self.target.server_name}:"
               f"{self.target.pop3s_port}/")
        saved = self.folder / "saved"
        argv = [tool(name), "-n", "-F", str(self.settings(name)), "-f", url,
                "-e", f'push "<copy-message><kill-line>{saved}<enter><exit>"']
        child, terminal = pty.fork()
        if child == 0:
            os.execve(argv[0], argv, self.environment())
        screen = b""
        give_up = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < give_up:
                if not select.select([terminal], [], [], 1)[0]:
                    continue
                try:
                    data = os.read(terminal, 65536)
                except OSError:  # The client has ended.
                    break
                if not data:
                    break
                screen += data
            else:
                os.kill(child, 9)
        finally:
            os.waitpid(child, 0)
            os.close(terminal)
        self.assertTrue(saved.exists(), screen.decode(errors="replace")[-2000:])
        return saved.read_bytes()

    def test_sends_and_fetches_with_default_settings(self):
        for name in ("mutt", "neomutt"):
            with self.subTest(client=name):
                self.target.empty()
                self.send(name, b"Hello from the terminal\n")
                got = self.fetch(name)
                self.assertIn(b"Subject: from " + name.encode(), got)
                self.assertIn(b"Hello from the terminal", got)
                [message] = self.target.take_all()
                self.assertIn(b"Hello from the terminal\r\n", message)


if __name__ == "__main__":
    unittest.main()
