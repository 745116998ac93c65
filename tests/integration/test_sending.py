"""Mail for other hosts, by the real programs: the queue, routes, a relay, and hosts that take or refuse it."""

import re
import socket
import threading
import unittest

from mailstead.process import wait_until
from mailstead.stack import StackCase

MAIL = (b"From: user@example.test\r\nTo: friend@far.test\r\nSubject: hello\r\n"
        b"Date: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\n.a line with a dot\r\nbody\r\n")


class Host:
    """Another mail host: says to each command what `replies` has for it, or takes it."""

    def __init__(self, case, **replies):
        self.replies = replies
        self.messages = []
        self.sessions = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        case.addCleanup(self._socket.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _say(self, connection, verb, default):
        reply = self.replies.get(verb, default)
        if callable(reply):
            reply = reply()
        if reply is None:
            connection.close()
            raise ConnectionError
        connection.sendall(reply.encode() + b"\r\n")
        return reply

    def _serve(self, connection):
        lines = connection.makefile("rb")
        envelope = {"from": None, "to": []}
        try:
            self._say(connection, "greeting", "220 mx.far.test")
            for line in lines:
                verb = line.split()[0].upper().decode() if line.split() else ""
                if verb in ("EHLO", "HELO"):
                    self._say(connection, verb, "250-mx.far.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                                                "250-ENHANCEDSTATUSCODES\r\n250 SIZE")
                elif verb == "MAIL":
                    envelope = {"from": re.search(rb"<(.*?)>", line)[1].decode(), "to": []}
                    self._say(connection, verb, "250 2.1.0 ok")
                elif verb == "RCPT":
                    if self._say(connection, verb, "250 2.1.5 ok").startswith("2"):
                        envelope["to"].append(re.search(rb"<(.*?)>", line)[1].decode())
                elif verb == "DATA":
                    refused = "554 5.5.1 no valid recipients" if not envelope["to"] else "354 go on"
                    if not self._say(connection, verb, refused).startswith("3"):
                        continue
                    content = b""
                    for piece in lines:
                        if piece == b".\r\n":
                            break
                        content += piece[1:] if piece.startswith(b".") else piece
                    if self._say(connection, "dot", "250 2.0.0 taken").startswith("2"):
                        self.messages.append({**envelope, "content": content})
                elif verb == "QUIT":
                    self._say(connection, verb, "221 bye")
                    return
                else:
                    self._say(connection, verb, "250 ok")
        except (ConnectionError, OSError):
            pass
        finally:
            connection.close()


class SendingTest(StackCase):

    def start(self, **stored_flags):
        self.stack = self.new_stack()
        self.stack.add_stored(retry_schedule="1s", **stored_flags)
        self.stack.add_smtpd()
        self.stack.add_pop3d()
        [self.user] = self.stack.add_accounts("user")
        return self.stack

    def route(self, host, destination="default", *more):
        self.stack.ctl.run("route", "set", destination, "--via", f"127.0.0.1:{host.port}", *more)

    def submit(self, *recipients, mail=MAIL):
        with self.stack.submission(self.user) as session:
            session.deliver(self.user, list(recipients), mail)

    def queued(self):
        return int(self.stack.ctl.json("queue", "stats")["message_count"])

    def await_empty(self):
        wait_until(lambda: self.queued() == 0, 30, "an empty queue", interval=0.05)

    def test_by_a_smarthost(self):
        self.start()
        self.stack.add_relay()
        host = Host(self)
        self.route(host)
        self.submit("friend@far.test", "other@elsewhere.test", self.user)
        self.await_empty()
        self.assertEqual({"friend@far.test", "other@elsewhere.test"},
                         {address for message in host.messages for address in message["to"]})
        for message in host.messages:
            self.assertEqual(self.user, message["from"])
            self.assertTrue(message["content"].endswith(MAIL), message["content"])
            self.assertTrue(message["content"].startswith(b"Received: from "), message["content"])
            self.assertNotIn(b"Return-Path", message["content"])
        # Those here have theirs from the same commit.
        self.assertEqual(1, len(self.stack.fetch_all(self.user)))

    def test_what_waits_is_told_and_goes_when_a_relay_comes(self):
        self.start()
        host = Host(self)
        self.route(host)
        self.submit("friend@far.test")
        self.assertEqual(1, self.queued())
        self.assertIn("NOTHING MOVES", self.stack.ctl.run("queue", "stats").decode())
        self.assertIn("friend@far.test", self.stack.ctl.run("queue", "list").decode())
        self.stack.add_relay()
        self.await_empty()
        self.assertEqual(1, len(host.messages))

    def test_a_refusal_comes_back(self):
        self.start()
        self.stack.add_relay()
        self.route(Host(self, RCPT="550 5.1.1 no such user here"))
        self.submit("nobody@far.test")
        self.await_empty()
        [bounce] = self.stack.fetch_all(self.user)
        self.assertTrue(bounce.startswith(b"Return-Path: <>\r\n"), bounce[:200])
        for wanted in (b"Final-Recipient: rfc822; nobody@far.test", b"Action: failed", b"Status: 5.1.1",
                       b"no such user here", b"Subject: hello"):
            self.assertIn(wanted, bounce)

    def test_a_deferral_is_tried_again(self):
        self.start()
        self.stack.add_relay()
        answers = iter(["451 4.7.1 try again later", "451 4.7.1 try again later"])
        host = Host(self, RCPT=lambda: next(answers, "250 2.1.5 ok"))
        self.route(host)
        self.submit("friend@far.test")
        self.await_empty()
        self.assertEqual(1, len(host.messages))
        deferred = [got for got in self.stack.stored.process.events(event="recipient_deferred")]
        self.assertEqual(["451", "451"], [got["code"] for got in deferred])

    def test_what_is_too_old_comes_back(self):
        self.start(queue_lifetime="2s", delay_notice_after="0s")
        self.stack.add_relay()
        self.route(Host(self, greeting="421 4.3.2 busy"))
        self.submit("friend@far.test")
        self.await_empty()
        [bounce] = self.stack.fetch_all(self.user)
        self.assertIn(b"Status: 4.4.7", bounce)

    def test_a_first_try_out_keeps_it_here(self):
        self.start()
        self.stack.add_relay()
        [trap] = self.stack.add_accounts("trap")
        self.stack.ctl.run("route", "set", "default", "--to", trap)
        self.submit("friend@far.test")
        [kept] = self.stack.fetch_all(trap)
        self.assertIn(b"X-Original-To: friend@far.test\r\n", kept)
        self.assertEqual(0, self.queued())

    def test_operators(self):
        self.start()
        host = Host(self)
        self.route(host)
        self.submit("a@one.test", "b@two.test")
        self.stack.ctl.run("queue", "hold", "--destination", "one.test")
        self.stack.add_relay()
        wait_until(lambda: len(host.messages) == 1, 30, "what is not held")
        self.assertEqual(["b@two.test"], host.messages[0]["to"])
        self.stack.ctl.run("queue", "release", "--all")
        self.await_empty()
        self.assertEqual(2, len(host.messages))

    def test_aliases_lead_out(self):
        self.start()
        self.stack.add_relay()
        host = Host(self)
        self.route(host)
        self.stack.ctl.run("alias", "add", "team@example.test", self.user, "friend@far.test")
        self.stack.send("team@example.test", MAIL, sender="stranger@elsewhere.test")
        self.await_empty()
        self.assertEqual([("stranger@elsewhere.test", ["friend@far.test"])],
                         [(message["from"], message["to"]) for message in host.messages])
        self.assertEqual(1, len(self.stack.fetch_all(self.user)))

    def test_a_relay_that_is_killed(self):
        self.start()
        host = Host(self)
        self.route(host)
        relay = self.stack.add_relay()
        for round_ in range(3):
            for number in range(10):
                self.submit(f"friend{round_}-{number}@far.test")
            relay.process.kill()
            relay.restart()
        self.await_empty()
        wanted = {f"friend{round_}-{number}@far.test" for round_ in range(3) for number in range(10)}
        self.assertEqual(wanted, {address for message in host.messages for address in message["to"]})


if __name__ == "__main__":
    unittest.main()
