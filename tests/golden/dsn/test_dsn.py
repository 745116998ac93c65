"""The notices of this folder as Python's email package reads them: their structure, and the grammar of their fields."""

import email
import email.policy
import pathlib
import re
import unittest

FOLDER = pathlib.Path(__file__).parent
FILES = sorted(FOLDER.glob("*.eml"))

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
DATE = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d " + MONTH + r" \d{4} \d\d:\d\d:\d\d \+0000"
HOST = r"dns; (?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+"
# RFC 3464 sections 2.2 and 2.3; of smtp RFC 3461 section 9.2, of utf-8 RFC 6533 section 3. Name: (value, always there).
PER_MESSAGE = {
    "Original-Envelope-Id": (r"[ -~]{1,100}", False),
    "Reporting-MTA": (HOST, True),
    "Arrival-Date": (DATE, True),
}
PER_RECIPIENT = {
    "Original-Recipient": (ATOM + r"; \S+", False),
    "Final-Recipient": (r"(?:rfc822; [!-~]+|utf-8; (?:[!-\[\]-~]|\\x\{[0-9A-F]{2,6}\})+)@[!-~]+", True),
    "Action": (r"failed|delayed|delivered|relayed|expanded", True),
    "Status": (r"[245]\.\d{1,3}\.\d{1,3}", True),
    "Remote-MTA": (HOST, False),
    "Diagnostic-Code": (r"smtp; (?:\d{3}-.*)*\d{3} .*|x-mailstead; .+", False),
    "Last-Attempt-Date": (DATE, False),
    "Will-Retry-Until": (DATE, False),
}


def content_of(path):
    """As it is sent."""
    return path.read_bytes().replace(b"\n", b"\r\n")


def parse(path):
    return email.message_from_bytes(content_of(path), policy=email.policy.SMTP)


def is_utf8_form(path):
    return path.stem.endswith("to_a_utf8_sender")


def status_blocks(part):
    """The groups of fields of message/delivery-status; Python knows the ASCII form only."""
    if part.get_content_type() == "message/delivery-status":
        return [{name: re.sub(r"\r\n", "", value) for name, value in block.items()} for block in part.get_payload()]
    text = part.as_bytes().split(b"\r\n\r\n", 1)[1].decode()
    return [dict(re.findall(r"^([A-Za-z-]+): (.*(?:\r\n .*)*)$", block.replace("\r\n", "\n"), re.MULTILINE))
            for block in text.strip().split("\r\n\r\n")]


class NoticeTest(unittest.TestCase):

    def test_there_are_some(self):
        self.assertGreaterEqual(len(FILES), 12)

    def test_lines(self):
        for path in FILES:
            content = content_of(path)
            with self.subTest(path.name):
                self.assertTrue(content.endswith(b"\r\n"))
                self.assertTrue(all(len(line) <= 998 for line in content.split(b"\r\n")))
                self.assertEqual(not is_utf8_form(path), content.isascii())

    def test_structure(self):
        for path in FILES:
            with self.subTest(path.name):
                message = parse(path)
                # Not deeper: Python does not take base64 off message/global.
                self.assertEqual([], [defect for part in (message, *message.get_payload()) for defect in part.defects])
                self.assertEqual("multipart/report", message.get_content_type())
                self.assertEqual("delivery-status", message.get_param("report-type"))
                text, status, returned = message.get_payload()
                self.assertEqual("text/plain", text.get_content_type())
                form = "global-delivery-status" if is_utf8_form(path) else "delivery-status"
                self.assertEqual("message/" + form, status.get_content_type())
                self.assertIn(returned.get_content_type(), {"message/rfc822", "text/rfc822-headers", "message/global",
                                                            "message/global-headers"})
                # RFC 2046 section 5.2.1.
                if returned.get_content_type() == "message/rfc822":
                    self.assertEqual("7bit", returned["Content-Transfer-Encoding"])

    def test_header(self):
        for path in FILES:
            with self.subTest(path.name):
                message = parse(path)
                for name in ("Date", "From", "To", "Subject", "Message-ID", "In-Reply-To", "References",
                             "Auto-Submitted", "MIME-Version", "Content-Type"):
                    self.assertEqual(1, len(message.get_all(name, [])), name)
                self.assertEqual("auto-replied", message["Auto-Submitted"])
                self.assertEqual(["MAILER-DAEMON@mx.example.test"],
                                 [address.addr_spec for address in message["From"].addresses])
                sender = "ä@example.test" if is_utf8_form(path) else "alice@example.test"
                to = [address.addr_spec.encode(errors="surrogateescape").decode() for address in message["To"].addresses]
                self.assertEqual([sender], to)
                self.assertEqual(message["In-Reply-To"], message["References"])
                self.assertRegex(message["In-Reply-To"], r"^<[a-z0-9]+@client\.test>$")

    def test_fields(self):
        for path in FILES:
            with self.subTest(path.name):
                blocks = status_blocks(parse(path).get_payload()[1])
                self.assertGreaterEqual(len(blocks), 2)
                for block, grammar in [(blocks[0], PER_MESSAGE)] + [(block, PER_RECIPIENT) for block in blocks[1:]]:
                    self.assertLessEqual(block.keys(), grammar.keys())
                    for name, (value, needed) in grammar.items():
                        if needed:
                            self.assertIn(name, block)
                        if name in block and not (is_utf8_form(path) and not block[name].isascii()):
                            self.assertRegex(block[name], f"^(?:{value})$")

    def test_action_is_that_of_the_file(self):
        for path in FILES:
            action = path.stem.split("_")[0]
            for block in status_blocks(parse(path).get_payload()[1])[1:]:
                self.assertEqual(action, block["Action"], path.name)

    def test_a_person_reads_the_words_of_the_other_host(self):
        for path in FILES:
            message = parse(path)
            text = message.get_payload()[0].get_content()
            for block in status_blocks(message.get_payload()[1])[1:]:
                if "Diagnostic-Code" not in block:
                    continue
                kind, _, words = block["Diagnostic-Code"].partition("; ")
                # Where the field has a '?' the text has the character.
                pattern = r"\s+".join(re.escape(word).replace(r"\?", ".") for word in words.split())
                with self.subTest(path.name, kind=kind):
                    self.assertRegex(text, pattern)

    def test_what_is_returned_is_what_was_sent(self):
        returned = {path.stem: parse(path).get_payload()[2] for path in FILES}
        whole = returned["failed_refused"].get_payload()[0]
        self.assertEqual("Lunch on Friday?", whole["Subject"])
        self.assertIn("Are you free at noon?", whole.get_payload())
        header = returned["failed_eight_bit"]
        self.assertIn("Grüße", header.get_payload(decode=True).decode("latin-1"))
        self.assertIn("Grüße", returned["failed_utf8_to_a_utf8_sender"].as_bytes().decode())
        # RFC 8689 section 5; RET=FULL with what is no failure (RFC 3461 section 4.3).
        for name in ("failed_require_tls", "delayed", "delivered", "relayed", "expanded"):
            self.assertEqual("text/rfc822-headers", returned[name].get_content_type(), name)
            self.assertNotIn("noon", returned[name].as_string())

    def test_hostile_words_stay_words(self):
        message = parse(FOLDER / "failed_with_hostile_words.eml")
        self.assertEqual(3, len(message.get_payload()))
        blocks = status_blocks(message.get_payload()[1])
        self.assertEqual(2, len(blocks))
        self.assertEqual("rfc822; bob@remote.test", blocks[1]["Final-Recipient"])
        self.assertNotIn("text/html", [part.get_content_type() for part in message.walk()])


if __name__ == "__main__":
    unittest.main()
