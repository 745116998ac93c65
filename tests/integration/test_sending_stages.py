"""Every stage of a dialog with another host, and everything that the host can do there, through the whole of it: what the
queue says then, what the sender is told, how often the host got the message, and that it comes when the host is well.
tests/unit/smtpd/outbound/client_stages_test.cc has the same of the session alone."""

import concurrent.futures
import socket
import ssl
import unittest

from mailstead import mail_host
from mailstead.mail_host import Gone, Host
from mailstead.process import wait_until
from mailstead.sending import WAIT, SendingCase, said

# What becomes of the message. "waits": it is in the queue, with the code (0: no reply), the status and the words of the
# last attempt; "returned": the sender has a notice with them.
SENT = "delivered"
LATER = "waits 451 4.3.0 busy with it"
NO = "returned 554 5.7.1 not from you"
# A refusal that is about us, or about the connection: the mail is not at fault.
NOT_NOW = "waits 554 4.7.1 not from you"
CLOSING = "waits 421 4.3.2 closing down"
LOST = "waits 0 4.4.2 the connection was lost"
# It may be reset before we see that it is there.
GONE = "waits 0 4.4."
QUIET = "waits 0 4.4.2 the host did not answer in time"
GARBAGE = "waits 0 4.5.0 the host said what is no reply"
NO_END = "waits 0 4.5.0 the host's reply has no end"
UNASKED = "waits 0 4.5.0 the host said what was not asked"
UNFIT = "waits 0 4.5.0 the host answered what does not fit"
NO_TLS = "waits 0 4.7.5 the TLS handshake failed"
NOT_UNDER_TLS = "waits 0 4.5.0 bytes in the clear between STARTTLS and the handshake"
FULL = "waits 452 4.2.2 mailbox full"
NOTHING = None

FAULTS = ("4yz", "5yz", "421", "close", "reset", "silence", "garbage", "endless", "early")
TABLE = {
    # Where TLS may be, what breaks from STARTTLS up to the reply to the EHLO after it is tried again in the clear.
    # stage           4yz      5yz      421      close    reset    silence  garbage  endless  early
    "greeting":      (LATER,   NO,      CLOSING, LOST,    GONE,    QUIET,   GARBAGE, NO_END,  UNASKED),
    "EHLO":          (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNASKED),
    "HELO":          (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNASKED),
    "STARTTLS":      (SENT,    SENT,    CLOSING, SENT,    SENT,    SENT,    SENT,    SENT,    NOT_UNDER_TLS),
    "handshake":     (SENT,    SENT,    SENT,    SENT,    SENT,    SENT,    SENT,    SENT,    NOTHING),
    "EHLO in TLS":   (SENT,    SENT,    CLOSING, SENT,    SENT,    SENT,    SENT,    SENT,    UNASKED),
    "AUTH":          (LATER,   NOT_NOW, CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNASKED),
    "MAIL":          (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNFIT),
    "RCPT":          (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNFIT),
    "DATA":          (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNASKED),
    # Within the message, which is not ended then.
    "body":          (UNASKED, UNASKED, CLOSING, LOST,    LOST,    QUIET,   UNASKED, UNASKED, NOTHING),
    "chunk":         (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNASKED),
    "last chunk":    (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  SENT),
    "dot":           (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  SENT),
    # The mailbox is full first; what the host does with the connection then changes nothing about that.
    "RSET":          (FULL,    FULL,    FULL,    FULL,    FULL,    FULL,    FULL,    FULL,    FULL),
    # Nothing is asked; silence is as it should be.
    "idle":          (SENT,    SENT,    SENT,    SENT,    SENT,    NOTHING, SENT,    SENT,    NOTHING),
    "QUIT":          (SENT,    SENT,    SENT,    SENT,    SENT,    SENT,    SENT,    SENT,    SENT),
    # Without PIPELINING.
    "MAIL alone":    (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNASKED),
    "RCPT alone":    (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNASKED),
    "DATA alone":    (LATER,   NO,      CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNASKED),
    # Where the route says that TLS must be.
    "STARTTLS!":     (LATER,   NOT_NOW, CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  NOT_UNDER_TLS),
    "handshake!":    (NO_TLS,  NO_TLS,  NO_TLS,  NO_TLS,  NO_TLS,  NO_TLS,  NO_TLS,  NO_TLS,  NOTHING),
    "EHLO in TLS!":  (LATER,   NOT_NOW, CLOSING, LOST,    LOST,    QUIET,   GARBAGE, NO_END,  UNASKED),
}
# Where the host has the whole message when it does what it does.
AT_THE_END = ("last chunk", "dot")

REPLIES = {"4yz": "451 4.3.0 busy with it", "5yz": "554 5.7.1 not from you", "421": "421 4.3.2 closing down",
           "garbage": b"\x16\x03\x01 what?\x07", "close": mail_host.close, "reset": mail_host.reset,
           "silence": mail_host.silence, "endless": mail_host.endless}
YES = {"greeting": "220 mx", "EHLO": "250-mx\r\n250 PIPELINING", "HELO": "250 mx", "STARTTLS": "220 go on",
       "AUTH": "235 2.7.0 in", "DATA": "354 go on"}
EARLY = "250 2.0.0 too early"
USER, PASSWORD = "relay-user", "relay-password"


def said_in_the_place_of_a_handshake(reply):
    def instead(session):
        # Behind the client's first words, or it would be "early".
        session.socket.recv(1)
        if callable(reply):
            reply(session)
        session.say(reply)
        session.read_to_the_end()
        raise Gone
    return instead


def said_within_the_message(fault):
    def instead(session):
        if fault == "silence":
            mail_host.hold(session)
        if fault == "endless":
            # More than a reply may have, and less than would block the host that does not read meanwhile.
            return b"250-and so on\r\n" * 3000
        reply = REPLIES[fault]
        return reply(session) if callable(reply) else reply
    return instead


def only_under_tls(reply, otherwise):
    def say(session):
        said = reply if session.tls else otherwise
        return said(session) if callable(said) else said
    return say


class Row:
    """A host with a fault at a stage, and a domain whose mail goes there."""

    def __init__(self, case, tls, stage, fault, outcome):
        self.name = f"{stage}, {fault}"
        self.stage, self.outcome = stage, outcome
        self.domain = "".join(c for c in f"{stage}-{fault}".lower().replace("!", " required").replace(" ", "-")) + ".test"
        self.recipient = f"friend@{self.domain}"
        self.route = ["--tls", "require" if stage.endswith("!") else "may"]
        key = stage.removesuffix(" alone").removesuffix("!")
        options = {}
        replies = {}
        early = f"{YES.get(key, '250 2.0.0 ok')}\r\n{EARLY}"
        reply = early if fault == "early" else REPLIES[fault]
        if key in ("STARTTLS", "handshake", "EHLO in TLS"):
            options["tls"] = tls
        if stage.endswith(" alone"):
            options["extensions"] = ("8BITMIME",)
        if key == "HELO":
            replies["EHLO"] = "502 5.5.2 what?"
        elif key == "AUTH":
            options["users"] = {USER: PASSWORD}
            self.route += ["--user", USER, "--password_stdin"]
        elif key == "RSET":
            replies["dot"] = "452 4.2.2 mailbox full"
        if key == "handshake":
            replies["handshake"] = said_in_the_place_of_a_handshake(reply)
        elif key == "EHLO in TLS":
            replies["EHLO"] = only_under_tls(early if fault == "early" else reply, "250-mx\r\n250 STARTTLS")
        elif key == "body":
            options["receive_buffer"] = 1 << 16
            replies["body"] = said_within_the_message(fault)
        elif key in ("chunk", "last chunk"):
            options["extensions"] = (*mail_host.EXTENSIONS, "CHUNKING")
            replies["BDAT" if key == "chunk" else "dot"] = reply
        elif key == "EHLO" and fault == "5yz":
            # Else HELO would be tried.
            replies["EHLO"] = replies["HELO"] = reply
        else:
            replies[key] = reply
        self.host = Host(case, **options, **replies)

    def is_large(self):
        return self.stage in ("body", "chunk")


class StagesTest(SendingCase):

    @classmethod
    def build(cls, stack):
        # One attempt, and the next one when the test wants it.
        stack.add_stored(retry_schedule="1h", secrets_key_file=stack.folder / "secrets.key")
        stack.add_smtpd()
        stack.add_pop3d()
        cls.user, cls.other = stack.add_accounts("user", "other")
        cls.relay = stack.add_relay(delivery_workers=200, delivery_timeout="5s")
        cls.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.tls.load_cert_chain(stack.tls_cert, stack.tls_key)

    # --- steps ---

    def set_routes(self, rows):
        def set_route(row):
            self.stack.ctl.run("route", "set", row.domain, "--via", f"127.0.0.1:{row.host.port}", *row.route,
                               input=PASSWORD + "\n")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(set_route, rows))

    def submit(self, rows, subject, user=None):
        user = user or self.user
        mail = f"From: {user}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.test>\r\n\r\nbody\r\n".encode()
        large = mail + (b"x" * 898 + b"\r\n") * 10_000
        with self.stack.submission(user) as session:
            for row in rows:
                if not row.is_large():
                    session.deliver(user, row.recipient, mail)
            # One for each stage: the queue names ten recipients of a message.
            for stage in sorted({row.stage for row in rows if row.is_large()}):
                session.deliver(user, [row.recipient for row in rows if row.stage == stage], large)

    # --- tests ---

    def test_table(self):
        rows = [Row(self, self.tls, stage, fault, outcome) for stage, outcomes in TABLE.items()
                for fault, outcome in zip(FAULTS, outcomes, strict=True) if outcome is not NOTHING]
        self.set_routes(rows)
        self.submit(rows, "first")
        waiting = self.await_attempts()
        told = self.notices_by_recipient(self.user)
        for row in rows:
            with self.subTest(row.name):
                self.check(row, waiting.get(row.recipient), told.get(row.recipient))
        self.assertEqual({row.recipient for row in rows if row.outcome.startswith("returned")}, set(told))
        # The hosts are well again.
        for row in rows:
            row.host.become()
        self.assertEqual({}, self.retry())
        for row in rows:
            with self.subTest(row.name, well=True):
                self.check_well(row)
                if row.stage == "QUIT":
                    # A connection that nobody needs is not kept.
                    wait_until(lambda: row.host.lines()[-1] == "QUIT", WAIT, "QUIT")
        self.assertEqual([], self.stack.fetch_all(self.user))

    def check(self, row, waits, told):
        if waits is not None:
            got = f"waits {waits.get('reply_code', 0)} {waits['reply_status']} {waits['reply_text']}"
            self.assertEqual(1, waits["attempt_count"])
        elif told is not None:
            fields, message = told
            got = f"returned {said(fields)}"
            # The host's words are also where a person reads.
            self.assertIn("not from you", message.get_payload()[0].get_payload())
            self.assertEqual(("failed", "5.7.1"), (fields["Action"], fields["Status"]))
        else:
            got = "delivered"
        if row.outcome.endswith(("not from you", "busy with it", "closing down", "full", "delivered")):
            self.assertEqual(row.outcome, got)
        else:
            # How, is the system's word.
            self.assertEqual(row.outcome, got[:len(row.outcome)], got)
        has_it = row.outcome == SENT or row.stage in (*AT_THE_END, "RSET")
        self.assertEqual(1 if has_it else 0, len(row.host.ended))
        self.assertEqual(1 if row.outcome == SENT else 0, len(row.host.messages))

    def check_well(self, row):
        """Nothing is lost; and twice comes only what the host had, without our having heard that it took it."""
        again = row.outcome.startswith("waits")
        before = 1 if row.outcome == SENT or row.stage in (*AT_THE_END, "RSET") else 0
        self.assertEqual(before + (1 if again else 0), len(row.host.ended))
        self.assertEqual(0 if row.outcome.startswith("returned") else 1, len(row.host.messages))
        for message in row.host.messages:
            self.assertEqual([row.recipient], message["to"])
            self.assertEqual(self.user, message["from"])

    def test_after_a_host_has_ended_the_session_the_next_message_has_one_of_its_own(self):
        rows = [Row(self, self.tls, stage, fault, SENT) for stage in ("idle", "RSET") for fault in FAULTS
                if (stage, fault) not in (("idle", "silence"), ("idle", "early"))]
        for row in rows:
            row.domain = f"then-{row.domain}"
            row.recipient = f"friend@{row.domain}"
        self.set_routes(rows)
        self.submit(rows, "first", self.other)
        for row in rows:
            wait_until(lambda: row.host.ended, WAIT, row.name)
        self.submit(rows, "second", self.other)
        for row in rows:
            wait_until(lambda: len(row.host.ended) == 2, WAIT, row.name)
        self.await_attempts()
        for row in rows:
            with self.subTest(row.name):
                self.assertEqual(2, row.host.envelopes)
                self.assertEqual(2, len(row.host.sessions))
                row.host.become()
        self.assertEqual({}, self.retry())

    def test_nobody_is_there(self):
        refused = socket.create_server(("127.0.0.1", 0))
        port = refused.getsockname()[1]
        refused.close()
        # Its queue is full, so that a connection is neither taken nor refused.
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        for _ in range(2):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            self.addCleanup(client.close)
        for domain, port in (("refused.test", port), ("dropped.test", full.getsockname()[1])):
            self.stack.ctl.run("route", "set", domain, "--via", f"127.0.0.1:{port}")
        with self.stack.submission(self.other) as session:
            for domain in ("refused.test", "dropped.test"):
                session.deliver(self.other, f"friend@{domain}", f"From: {self.other}\r\n\r\nbody\r\n".encode())
        waiting = self.await_attempts()
        for domain in ("refused.test", "dropped.test"):
            recipient = waiting[f"friend@{domain}"]
            self.assertEqual(("4.4.1", 0), (recipient["reply_status"], recipient.get("reply_code", 0)))
            self.assertTrue(recipient["reply_text"].startswith("no connection: "), recipient)
        self.stack.ctl.run("queue", "cancel", "--recipient", "@refused.test", "--yes")
        self.stack.ctl.run("queue", "cancel", "--recipient", "@dropped.test", "--yes")


if __name__ == "__main__":
    unittest.main()
