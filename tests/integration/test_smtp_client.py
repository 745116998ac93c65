"""smtpd/outbound towards hosts that others wrote, and towards our own: what it says of a delivery is so."""

import subprocess
import tempfile
import unittest

from mailstead import paths
from mailstead.process import PATIENCE, clean_environment
from mailstead.sink import Sink
from mailstead.stack import PASSWORD, SharedStackCase
from mailstead.trace import strip_trace

SENDER = "sender@example.test"
MESSAGE = b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\ntext\r\n"


def deliver(port, message, recipients, *flags, environment=None):
    """Lines of words: what became of each recipient, and of the connection."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(message)
        file.flush()
        done = subprocess.run([paths.program("smtp_client"), f"127.0.0.1:{port}", file.name, SENDER, *recipients, *flags],
                              env=clean_environment(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=PATIENCE, check=True)
    return [line.split(" ") for line in done.stdout.decode().splitlines()]


def results(lines):
    """The lines without the hosts' words."""
    return [" ".join(words[:5] if words[0] == "connection" else words[:4]) for words in lines]


class SmtpSinkTest(unittest.TestCase):

    def deliver(self, switches, message=MESSAGE, flags=(), recipients=("a@example.test", "b@example.test")):
        with Sink(*switches) as sink:
            return results(deliver(sink.port, message, recipients, *flags)), sink.messages()

    def test_what_it_says_is_what_happened(self):
        ended = "connection ended 0 - quit"
        delivered = ["delivered 250 2.0.0 final_dot"] * 2
        for switches, outcome in (
                ([], [*delivered, ended]),
                (["-p"], [*delivered, ended]),
                (["-e"], [*delivered, ended]),
                (["-f", "EHLO"], [*delivered, ended]),
                (["-f", "MAIL"], ["failed 500 5.3.0 mail"] * 2 + [ended]),
                (["-r", "MAIL"], ["deferred 450 4.3.0 mail"] * 2 + [ended]),
                (["-r", "RCPT"], ["deferred 450 4.3.0 rcpt"] * 2 + [ended]),
                (["-f", "RCPT"], ["failed 500 5.3.0 rcpt"] * 2 + [ended]),
                (["-f", "DATA"], ["failed 500 5.3.0 data"] * 2 + [ended]),
                (["-r", "."], ["deferred 450 4.3.0 final_dot"] * 2 + [ended]),
                (["-f", "."], ["failed 500 5.3.0 final_dot"] * 2 + [ended]),
                (["-q", "MAIL"], ["deferred 0 4.4.2 mail"] * 2 + ["connection broken 0 4.4.2 mail"]),
                (["-q", "DATA"], ["deferred 0 4.4.2 data"] * 2 + ["connection broken 0 4.4.2 data"]),
                (["-q", "."], ["deferred 0 4.4.2 final_dot"] * 2 + ["connection broken 0 4.4.2 final_dot"]),
        ):
            with self.subTest(switches):
                seen, messages = self.deliver(switches)
                self.assertEqual(outcome, seen)
                if outcome[0].startswith("delivered"):
                    self.assertEqual([MESSAGE.replace(b"\r\n", b"\n").partition(b"Subject:")[2]],
                                     [message.rstrip(b"\n") + b"\n" for message in messages])

    def test_octets_that_the_host_does_not_take_are_not_sent(self):
        message = "Subject: 8 bits\r\n\r\n\u00e4\r\n".encode()
        self.assertEqual((["failed 0 5.6.3 idle"] * 2 + ["connection ended 0 - quit"], []), self.deliver(["-8"], message))
        seen, messages = self.deliver([], message)
        self.assertEqual(["delivered 250 2.0.0 final_dot"] * 2, seen[:2])
        self.assertEqual(1, len(messages))

    def test_many_messages_over_one_connection(self):
        seen, messages = self.deliver([], flags=["--repeat=20"])
        self.assertEqual(["delivered 250 2.0.0 final_dot"] * 40 + ["connection ended 0 - quit"], seen)
        self.assertEqual(20, len(messages))

    def test_a_large_message(self):
        message = b"Subject: large\r\n\r\n" + (b"." + b"x" * 70 + b"\r\n") * 100_000
        seen, messages = self.deliver([], message)
        self.assertEqual(["delivered 250 2.0.0 final_dot"] * 2, seen[:2])
        self.assertEqual([message.replace(b"\r\n", b"\n").partition(b"Subject:")[2]],
                         [text.rstrip(b"\n") + b"\n" for text in messages])


class MailsteadTest(SharedStackCase):
    """Our own smtpd as the host: TLS that is verified, BDAT, and a login."""

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_smtpd()
        stack.add_pop3d()
        (cls.user,) = stack.add_accounts("user")

    def deliver(self, listener, message, recipients, *flags):
        return deliver(self.stack.smtpd.ports[listener], message, recipients, "--tls=verify", "--name=mx.example.test",
                       *flags, environment={"SSL_CERT_FILE": str(self.stack.authority.cert)})

    def test_what_arrives_is_what_was_sent(self):
        large = b"Subject: large\r\n\r\n" + (b"." + b"x" * 70 + b"\r\n") * 200_000
        for flags in ((), ("--no_chunking",)):
            for message in (MESSAGE, large):
                with self.subTest(flags=flags, size=len(message)):
                    seen = results(self.deliver("mx", message, [self.user, "nobody@example.test"], *flags))
                    self.assertEqual(["delivered 250 2.6.0 final_dot", "failed 550 5.1.1 rcpt", "connection ended 0 - quit"],
                                     seen)
                    self.assertEqual([message], [strip_trace(raw).content for raw in self.stack.fetch_all(self.user)])

    def test_another_name_is_not_believed(self):
        seen = results(self.deliver("mx", MESSAGE, [self.user], "--name=other.example.test"))
        self.assertEqual(["deferred 0 4.7.5 handshake", "connection tls_broken 0 4.7.5 handshake"], seen)

    def test_logging_in(self):
        seen = results(self.deliver("submission", MESSAGE, [self.user], f"--user={self.user}", "--password=wrong"))
        self.assertEqual(["deferred 535 5.7.8 auth", "connection refused 535 5.7.8 auth"], seen)
        login = (f"--user={self.user}", f"--password={PASSWORD}")
        # The sender is not the account's.
        seen = results(self.deliver("submission", MESSAGE, [self.user], *login))
        self.assertEqual(["failed", "connection ended 0 - quit"], [seen[0].split(" ")[0], seen[1]])
        # SECURITY: not to a host that nobody has authenticated.
        seen = results(self.deliver("submission", MESSAGE, [self.user], *login, "--tls=require"))
        self.assertEqual(["deferred 0 4.7.0 auth", "connection refused 0 4.7.0 auth"], seen)


if __name__ == "__main__":
    unittest.main()
