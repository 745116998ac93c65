"""What tests of sending ask a stack: who waits in the queue, and what the sender was told."""

import email

from .process import wait_until
from .stack import SharedStackCase

# For all attempts of a table; some of them wait for a time-out.
WAIT = 60


class SendingCase(SharedStackCase):
    """For a stack whose retry_schedule is long: there is one attempt, and the next one when the test wants it."""

    def waiting(self):
        """The recipients in the queue, as `queue list` tells of them, by address; None while one is under way or has not
        been tried. Of each message it names ten."""
        found = {}
        for message in self.stack.ctl.json("queue", "list").get("messages", []):
            for recipient in message["recipients"]:
                if recipient["state"] != "STATE_WAITING" or "reply_time" not in recipient:
                    return None
                found[recipient["address"]] = recipient
        return found

    def await_attempts(self):
        """`waiting`, when every attempt has ended."""
        last = []

        def look():
            last[:] = [self.waiting()]
            return last[0] is not None
        wait_until(look, WAIT, "the end of all attempts", interval=0.1)
        return last[0]

    def retry(self):
        """Tries all again; `await_attempts`."""
        self.stack.ctl.run("queue", "retry", "--all", "--yes")
        return self.await_attempts()

    def notices(self, user):
        """Takes the notices out of a mailbox: of each the fields of its recipients, and the message."""
        told = []
        for raw in self.stack.fetch_all(user):
            message = email.message_from_bytes(raw)
            self.assertEqual("multipart/report", message.get_content_type(), raw)
            told.append((message.get_payload(1).get_payload()[1:], message))
        return told

    def notices_by_recipient(self, user):
        """For notices of one recipient each: its fields and the message, by address."""
        told = {}
        for [fields], message in self.notices(user):
            address = fields["Final-Recipient"].removeprefix("rfc822; ")
            self.assertNotIn(address, told, "told twice")
            told[address] = (fields, message)
        return told


def said(fields):
    """The host's words in the fields of a recipient: "550 5.1.1 no such user"."""
    return " ".join(fields["Diagnostic-Code"].removeprefix("smtp; ").split())
