"""Mail for other hosts, by the real programs: the queue, routes, a relay, and hosts that take or refuse it."""

import time
import unittest

from mailstead.mail_host import Host
from mailstead.process import wait_until
from mailstead.proxy import LossyProxy
from mailstead.stack import StackCase

MAIL = (b"From: user@example.test\r\nTo: friend@far.test\r\nSubject: hello\r\n"
        b"Date: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\n.a line with a dot\r\nbody\r\n")


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

    def test_attempts_that_never_reached_a_relay_are_made_again(self):
        """The store gave them, and its answer was lost: the relay lives on, and its heartbeat with it."""
        self.start()
        proxy = LossyProxy(self.stack.stored.address)
        self.addCleanup(proxy.close)
        host = Host(self)
        self.route(host)
        self.stack.add_relay(store=proxy.address)
        self.submit("first@far.test")
        self.await_empty()
        for number in range(3):
            with proxy.losing_answers():
                self.submit(f"friend{number}@far.test")
                wait_until(lambda: int(self.stack.ctl.json("queue", "stats")["in_flight_count"]) == 1, 10,
                           "an attempt that was given", interval=0.02)
            self.await_empty()
        self.assertEqual(["first@far.test"] + [f"friend{number}@far.test" for number in range(3)],
                         [address for message in host.messages for address in message["to"]])

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
        host = Host(self, RCPT=lambda session: next(answers, "250 2.1.5 ok"))
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

    def test_hosts_are_shared_and_their_broken_tls_is_remembered(self):
        self.start()
        relay = self.stack.add_relay()
        asked = []

        def break_tls(_):
            asked.append(1)
            return "220 2.0.0 go ahead"

        host = Host(self, EHLO="250-mx.far.test\r\n250-8BITMIME\r\n250 STARTTLS", STARTTLS=break_tls)
        self.route(host)
        # A domain's first mail finds out which hosts it has, and then shares what is known of them.
        for recipient, tries in (("a@one.test", 1), ("b@one.test", 1), ("c@two.test", 2), ("d@two.test", 2)):
            self.submit(recipient)
            self.await_empty()
            self.assertEqual(tries, len(asked), recipient)
        self.assertEqual(4, len(host.messages))
        results = [line["result"] for line in relay.process.events(event="connected")]
        self.assertEqual(2, results.count("tls_broken"), results)
        self.assertEqual([""] * 4, [line.get("tls", "") for line in relay.process.events(event="attempted")])
        # A route that asks for TLS is not held to it.
        self.route(host, "default", "--tls", "require")
        self.submit("e@two.test")
        wait_until(lambda: len(asked) > 2, 30, "a try of TLS")
        self.assertEqual(4, len(host.messages))
        [shown] = self.stack.ctl.json("queue", "destinations")["destinations"]
        self.assertEqual(f"127.0.0.1:{host.port}", shown["site"])
        self.assertIn("tls_broken_until", shown)
        text = self.stack.ctl.run("queue", "destinations").decode()
        self.assertIn("TLS broken, in the clear until 20", text)
        self.assertIn(f"127.0.0.1:{host.port} (with 1 other)", text)

    def test_a_rate_spaces_attempts_at_all_domains_of_a_host(self):
        self.start(delivery_rate="4/1s", delivery_sessions="2")
        times = []

        def note(_):
            times.append(time.monotonic())
            return "250 2.1.0 ok"

        host = Host(self, MAIL=note)
        self.route(host)
        # So that it is known to be one host.
        for domain in ("one.test", "two.test"):
            self.submit(f"first@{domain}")
        self.stack.add_relay()
        self.await_empty()
        del times[:]
        for number in range(3):
            self.submit(f"a{number}@one.test")
            self.submit(f"b{number}@two.test")
        self.await_empty()
        self.assertEqual(6, len(times))
        # Six attempts at four a second: the last is a second and a quarter behind the first, but for how fast each goes.
        self.assertGreater(times[-1] - times[0], 1.0)

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
