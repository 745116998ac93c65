"""One mailbox for a whole domain: fetchmail and getmail sort its mail by the fields that the store puts in front.

Who else got a message is not told: a recipient in Bcc stays hidden.
"""

import unittest

from mailstead.paths import tool
from mailstead.process import run_tool
from mailstead.stack import PASSWORD, SharedStackCase
from mailstead.trace import strip_trace

BOX = "box@example.test"
PEOPLE = ("ann", "ben", "cleo")


def message(number):
    return f"From: a@elsewhere.test\r\nTo: list@elsewhere.test\r\nSubject: {number}\r\n\r\nText {number}\r\n".encode()


class MultidropTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        super().build(stack)
        stack.add_accounts("box", "other")
        stack.ctl.add_domain("family.test")
        stack.ctl.add_alias("@family.test", BOX)
        stack.ctl.add_alias("boss@example.test", BOX)

    def setUp(self):
        self.stack.fetch_all(BOX)
        self.stack.fetch_all("other@example.test")
        self.made = 0

    def send(self, *recipients):
        self.made += 1
        self.stack.send(list(recipients), message(self.made))
        return self.made

    def sorted_mail(self, folder):
        """{file name: subjects}"""
        return {path.name: [int(line.split(b":")[1]) for line in path.read_bytes().splitlines()
                            if line.startswith(b"Subject:")] for path in folder.iterdir() if path.is_file()}

    def place(self):
        """One message for each person, and what must come of it."""
        expected = {}
        for name in (*PEOPLE, "ann"):
            expected.setdefault(name, []).append(self.send(f"{name}@family.test"))
        # Each in a copy of its own, whoever else is in the transaction.
        expected["ben"].append(self.send("ben@family.test", "other@example.test"))
        return expected

    def fetchmail(self, envelope):
        folder = self.new_folder()
        users = " ".join(f'"{name}" = "{name}"' for name in PEOPLE)
        config = self.stack.folder / "fetchmailrc"
        config.write_text(f"""
            set no syslog
            set invisible
            set no bouncemail
            set postmaster "rest"
            poll 127.0.0.1 protocol pop3 port {self.stack.pop3d.ports["pop3s"]} auth password timeout 60 no dns
              envelope "{envelope}" localdomains family.test
              user "{BOX}" password "{PASSWORD}" to {users} here
              fetchall no rewrite mda "{self.script()} %T" ssl no sslcertck
            """, encoding="ascii")
        config.chmod(0o600)
        done = run_tool([tool("fetchmail"), "-f", config, "--pidfile", self.stack.folder / "fetchmail.pid", "--idfile",
                         self.stack.folder / "ids", "--nodetach"],
                        environment={"FETCHMAILHOME": str(self.stack.folder), "LC_ALL": "C", "FOLDER": str(folder)})
        self.assertEqual(0, done.returncode, (done.stdout + done.stderr).decode())
        return self.sorted_mail(folder)

    def getmail(self, envelope):
        folder, home = self.new_folder(), self.stack.folder / "getmail"
        home.mkdir(exist_ok=True)
        locals_ = "".join(f"    ('^{name}@family\\.test$', '[{name}]'),\n" for name in PEOPLE)
        files = "".join(f"[{name}]\ntype = MDA_external\npath = {self.script()}\narguments = ('{name}',)\n"
                        "unixfrom = false\nallow_root_commands = true\n\n" for name in (*PEOPLE, "rest"))
        (home / "getmailrc").write_text(f"""[retriever]
type = MultidropPOP3SSLRetriever
server = localhost
port = {self.stack.pop3d.ports["pop3s"]}
username = {BOX}
password = {PASSWORD}
ca_certs = {self.stack.authority.cert}
envelope_recipient = {envelope}

[destination]
type = MultiSorter
default = [rest]
locals = (
{locals_}    )

{files}
[options]
delete = true
delivered_to = false
received = false
""", encoding="ascii")
        done = run_tool([tool("getmail"), f"--getmaildir={home}", "--rcfile=getmailrc"],
                        environment={"HOME": str(home), "FOLDER": str(folder)})
        self.assertEqual(0, done.returncode, (done.stdout + done.stderr).decode())
        return self.sorted_mail(folder)

    def new_folder(self):
        self.folders = getattr(self, "folders", 0) + 1
        folder = self.stack.folder / f"{self.id().rsplit('.', 1)[-1]}-{self.folders}"
        folder.mkdir()
        return folder

    def script(self):
        """Puts what it is given into the file of a person: the local part of its argument."""
        script = self.stack.folder / "sort"
        script.write_text('#!/bin/sh\nexec cat >> "$FOLDER/${1%%@*}"\n', encoding="ascii")
        script.chmod(0o700)
        return script

    def test_fetchmail_sorts_by_x_original_to(self):
        expected = self.place()
        self.assertEqual(expected, self.fetchmail("X-Original-To:"))

    def test_fetchmail_gives_mail_of_the_mailbox_itself_to_its_postmaster(self):
        expected = {**self.place(), "rest": [self.send(BOX)]}
        self.assertEqual(expected, self.fetchmail("X-Original-To:"))

    def test_getmail_sorts_by_x_original_to(self):
        expected = self.place()
        self.assertEqual(expected, self.getmail("x-original-to:1"))

    def test_delivered_to_names_the_mailbox(self):
        """So it tells mailboxes apart that are forwarded to one place, not people in one mailbox."""
        numbers = [self.send("ann@family.test"), self.send(BOX)]
        self.assertEqual({"rest": numbers}, self.getmail("delivered-to:1"))

    def test_each_mailbox_hears_of_the_addresses_that_led_to_it_and_of_no_other(self):
        # The second is in Bcc, as far as anybody can see.
        self.stack.send(["ann@family.test", "other@example.test"], message(1))
        self.stack.send(["other@example.test", "boss@example.test", "Ben@Family.test", "ben@family.test", BOX], message(2))
        first, second = self.stack.fetch_all(BOX)
        for raw, original_to in ((first, [b"ann@family.test"]), (second, [b"boss@example.test", b"Ben@Family.test"])):
            traced = strip_trace(raw)
            self.assertEqual((BOX.encode(), original_to), (traced.delivered_to, list(traced.original_to)))
            self.assertNotIn(b"other@example.test", raw)
        for raw in self.stack.fetch_all("other@example.test"):
            traced = strip_trace(raw)
            self.assertEqual((b"other@example.test", ()), (traced.delivered_to, traced.original_to))
            for hidden in (b"family.test", b"boss", BOX.encode()):
                self.assertNotIn(hidden, raw.lower())

    def test_submission_hides_bcc_too(self):
        session = self.stack.submission("other@example.test")
        content = b"From: other@example.test\r\nTo: ann@family.test\r\nSubject: hello\r\n\r\nHello\r\n"
        self.assertEqual(250, session.deliver("other@example.test", ["ann@family.test", "other@example.test"], content).code)
        session.quit()
        [raw] = self.stack.fetch_all(BOX)
        self.assertEqual((b"ann@family.test",), strip_trace(raw).original_to)
        [raw] = self.stack.fetch_all("other@example.test")
        self.assertEqual((), strip_trace(raw).original_to)


if __name__ == "__main__":
    unittest.main()
