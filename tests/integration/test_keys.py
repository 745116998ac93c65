"""API keys against the real store: from mailctl key create to the end of a key, over a restart, in a backup, from an address, by a
certificate; and the audit that can be read."""

import json
import os
import pathlib
import re
import shutil
import stat
import time
import unittest

from mailstead.ctl import Mailctl
from mailstead.stack import StackCase

SECRET = re.compile(r"\bmsk_[0-9a-hjkmnp-tv-z]{51}\b")


class KeysTest(StackCase):

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored()
        self.ctl = stack.ctl
        [self.user] = stack.add_accounts("user")
        self.ctl.add_domain("other.test")
        self.ctl.add_account("bob@other.test", "correct horse battery")

    def key_file(self, name, *options):
        """A file with the secret of a new key."""
        path = self.stack.folder / f"{name}.key"
        self.ctl.run("key", "create", name, *options, "--out", str(path))
        self.stack.secrets.add(path.read_text(encoding="ascii").strip())
        return path

    def with_key(self, path):
        return Mailctl(self.stack.stored.address, path)

    def assert_refused(self, ctl, reason, *command):
        """The command ends with an error that has this reason."""
        done = ctl.raw(*command, "--json")
        self.assertNotEqual(0, done.returncode, done.stdout)
        self.assertIn(reason, (done.stderr + done.stdout).decode())

    def test_the_secret_is_shown_once(self):
        made = self.ctl.raw("key", "create", "desk", "--scope", "mail.read", "--mailbox", self.user)
        self.assertEqual(0, made.returncode, made.stderr)
        [secret] = SECRET.findall(made.stdout.decode())
        self.stack.secrets.add(secret)
        self.assertNotIn(secret, self.ctl.run("key", "show", "desk").decode())
        self.assertNotIn(secret, self.ctl.run("key", "list").decode())
        self.assertNotIn(secret, self.stack.stored.all_text())
        # In a file, and nowhere else.
        path = self.stack.folder / "file.key"
        printed = self.ctl.run("key", "create", "file", "--scope", "mail.read", "--out", str(path))
        self.assertIsNone(SECRET.search(printed.decode()))
        self.assertEqual(0o600, stat.S_IMODE(os.stat(path).st_mode))
        self.assertIsNotNone(SECRET.fullmatch(path.read_text(encoding="ascii").strip()))
        self.stack.secrets.add(path.read_text(encoding="ascii").strip())

    def test_a_key_sees_its_mailbox_and_no_other(self):
        self.ctl.run("deliver", "-", "--to", self.user, input="Subject: x\n\nhello\n")
        desk = self.with_key(self.key_file("desk", "--scope", "mail.read", "--scope", "directory.read", "--mailbox", self.user))
        [message] = desk.json("message", "list", self.user)["messages"]
        self.assertIn(b"hello", desk.run("fetch", self.user, message["message_id"]))
        self.assertEqual([self.user], [account["address"] for account in desk.json("account", "list")["accounts"]])
        hidden = desk.raw("message", "list", "bob@other.test")
        missing = desk.raw("message", "list", "eve@other.test")
        self.assertEqual(3, hidden.returncode)
        self.assertEqual(missing.stderr.replace(b"eve@", b"bob@"), hidden.stderr)
        self.assert_refused(desk, "SCOPE_MISSING", "message", "remove", self.user, message["message_id"])
        self.assert_refused(desk, "SCOPE_MISSING", "status")

    def test_a_line_end_in_the_token_file_is_no_matter(self):
        path = self.key_file("desk", "--scope", "directory.read")
        secret = path.read_text(encoding="ascii").strip()
        for end in ("", "\n", "\r\n", " \r\n", "\n\n"):
            path.write_bytes((secret + end).encode("ascii"))
            self.with_key(path).run("account", "list")

    def test_a_restart_keeps_keys_and_the_audit(self):
        desk = self.with_key(self.key_file("desk", "--scope", "directory.read,directory.write", "--domain", "other.test"))
        desk.run("account", "set", "bob@other.test", "--disabled=yes")
        self.stack.stored.terminate()
        self.stack.stored.restart()
        desk.run("account", "list")
        [entry] = self.ctl.json("audit", "--actor", "key:desk")["entries"]
        self.assertTrue(entry["action"].endswith("/UpdateAccount"), entry)
        self.assertIn("bob@other.test", entry["target"])
        self.assertEqual("OK", entry["result"])
        shown = self.ctl.json("key", "show", "desk")
        self.assertIn("127.0.0.1", shown["last_used_address"])

    def test_rotation_and_revocation(self):
        old = self.key_file("desk", "--scope", "directory.read")
        new = self.stack.folder / "new.key"
        self.ctl.run("key", "rotate", "desk", "--overlap", "1h", "--out", str(new))
        self.stack.secrets.add(new.read_text(encoding="ascii").strip())
        for path in (old, new):
            self.with_key(path).run("account", "list")
        self.assertEqual(2, len(self.ctl.json("key", "show", "desk")["secrets"]))
        self.ctl.run("key", "revoke", "desk")
        for path in (old, new):
            self.assert_refused(self.with_key(path), "KEY_REVOKED", "account", "list")
        # The name is free; the new key is another.
        again = self.key_file("desk", "--scope", "directory.read")
        self.with_key(again).run("account", "list")

    def test_a_key_expires_while_the_store_runs(self):
        path = self.key_file("short", "--scope", "directory.read", "--expires", "2s")
        self.with_key(path).run("account", "list")
        end = time.monotonic() + 10
        while self.with_key(path).raw("account", "list").returncode == 0:
            self.assertLess(time.monotonic(), end)
        self.assert_refused(self.with_key(path), "KEY_EXPIRED", "account", "list")

    def test_addresses(self):
        here = self.with_key(self.key_file("here", "--scope", "directory.read", "--ip", "127.0.0.0/8", "--ip", "::1"))
        there = self.with_key(self.key_file("there", "--scope", "directory.read", "--ip", "192.0.2.0/24"))
        here.run("account", "list")
        self.assert_refused(there, "ADDRESS_NOT_ALLOWED", "account", "list")
        self.ctl.run("key", "set", "there", "--ip", "::ffff:127.0.0.1")
        there.run("account", "list")

    def test_mailbox_that_is_renamed_or_made_again(self):
        desk = self.with_key(self.key_file("desk", "--scope", "mail.read", "--mailbox", "bob@other.test"))
        account = self.ctl.json("account", "show", "bob@other.test")["account_id"]
        desk.run("message", "list", "bob@other.test")
        self.ctl.run("account", "remove", "bob@other.test", "--yes")
        self.ctl.add_account("bob@other.test", "correct horse battery")
        self.assertEqual(3, desk.raw("message", "list", "bob@other.test").returncode)
        self.assertEqual(3, desk.raw("message", "list", account).returncode)

    def test_limits_in_words(self):
        desk = self.with_key(self.key_file("desk", "--scope", "directory.read", "--rate", "1", "--burst", "1"))
        codes = [desk.raw("account", "list").returncode for _ in range(3)]
        self.assertIn(5, codes)
        self.ctl.run("key", "set", "desk", "--rate", "0")
        desk.run("account", "list")

    def test_refusals_are_read_in_the_audit(self):
        wrong = self.stack.folder / "wrong.token"
        wrong.write_text("this-is-not-the-token\n", encoding="ascii")
        for _ in range(5):
            Mailctl(self.stack.stored.address, wrong).raw("account", "list")
        entries = self.ctl.json("audit", "--actor", "nobody")["entries"]
        self.assertEqual(5, sum(int(entry["call_count"]) for entry in entries))
        self.assertEqual([], self.ctl.json("audit", "--actor", "nobody", "--until", "1h")["entries"])

    def test_json_is_one_document(self):
        made = json.loads(self.ctl.run("key", "create", "desk", "--scope", "mail.read", "--json"))
        self.stack.secrets.add(made["secret"])
        self.assertIsNotNone(SECRET.fullmatch(made["secret"]))
        self.assertEqual(["KEY_SCOPE_MAIL_READ"], made["key"]["scopes"])

    def test_a_backup_has_the_keys_of_its_moment(self):
        stack = self.new_stack()
        backups = stack.folder / "backups"
        backups.mkdir()
        stack.add_stored(backup_dir=backups)
        path = stack.folder / "desk.key"
        stack.ctl.run("key", "create", "desk", "--scope", "directory.read", "--out", str(path))
        stack.secrets.add(path.read_text(encoding="ascii").strip())
        stack.ctl.run("backup", "create", "before")
        stack.ctl.run("key", "revoke", "desk")
        desk = Mailctl(stack.stored.address, path)
        self.assert_refused(desk, "KEY_REVOKED", "account", "list")
        data = pathlib.Path(stack.stored.flags["data_dir"])
        stack.stored.terminate()
        data.rename(data.with_name("store.before"))
        shutil.copytree(backups / "before", data)
        for secret in data.with_name("store.before").glob("*.key"):
            shutil.copy2(secret, data)
        stack.stored.restart()
        # As docs/operations.md says: look at the keys after a restore.
        Mailctl(stack.stored.address, path).run("account", "list")


class CertificateTest(StackCase):

    def test_a_certificate_stands_for_a_key_and_a_token_goes_before_it(self):
        stack = self.new_stack()
        authority = stack.authority
        store_cert, store_key = authority.issue("store")
        stack.add_stored(tls_cert=store_cert, tls_key=store_key, tls_client_ca=authority.cert)
        certificates = {name: authority.issue(name) for name in ("operator", "desk", "nobody")}
        path = stack.folder / "reader.key"

        def ctl(*arguments, name=None, token=""):
            certificate = () if name is None else ("--tls_cert", certificates[name][0], "--tls_key", certificates[name][1])
            return stack.ctl.raw(*arguments, "--store", stack.stored.address, "--tls_ca", authority.cert, *certificate,
                                 environment={"MAILCTL_TOKEN_FILE": str(token), "MAILCTL_STORE": ""})

        made = ctl("key", "create", "desk", "--scope", "directory.write,directory.read", "--certificate", "desk", "--out",
                   str(stack.folder / "desk.key"), name="operator")
        self.assertEqual(0, made.returncode, made.stderr)
        made = ctl("key", "create", "reader", "--scope", "directory.read", "--out", str(path), name="operator")
        self.assertEqual(0, made.returncode, made.stderr)
        self.assertEqual(0, ctl("domain", "add", "example.test", name="desk").returncode)
        self.assertEqual(1, ctl("domain", "add", "a.test", name="nobody").returncode)
        # A key needs no certificate, and decides where there is one.
        self.assertEqual(0, ctl("domain", "list", token=path).returncode)
        self.assertEqual(0, ctl("domain", "list", token=path, name="nobody").returncode)
        refused = ctl("domain", "add", "a.test", "--json", token=path, name="operator")
        self.assertIn(b"SCOPE_MISSING", refused.stderr)
        # One that ends does not become what its certificate is.
        self.assertEqual(0, ctl("key", "revoke", "reader", name="operator").returncode)
        self.assertIn(b"KEY_REVOKED", ctl("domain", "list", "--json", token=path, name="operator").stderr)


if __name__ == "__main__":
    unittest.main()
