"""Three relays on one store, one of the four killed every second, and a host that drops connections at every stage: all
messages arrive, and each that arrives twice does so for a reason that the ledger knows.

A message is sent twice only where the host may have taken it and that was not kept: the connection broke behind the end of the
message, or the relay, or the store, was killed in that moment. MAILSTEAD_FULL=1 takes the full measure: 10,000 messages, and
kills for a minute."""

import asyncio
import collections
import os
import random
import re
import threading
import time
import unittest

from mailstead.process import wait_until
from mailstead.smtp import Refused, Smtp
from mailstead.stack import StackCase

FULL = bool(os.environ.get("MAILSTEAD_FULL"))
MESSAGES = 10_000 if FULL else 1_500
KILL_SECONDS = 60 if FULL else 20
BETWEEN_KILLS = 1.0
RELAYS = 3
SENDERS = 4
DOMAINS = 50
# How often the host drops a connection at a stage: shares of the times that it comes to one. It comes to some less often.
DROPS = 0.01
RARE_DROPS = {"connect": 0.05, "greeting": 0.05, "EHLO": 0.05, "RSET": 0.3}
# Recipients that it puts off.
DEFERS = 0.05
# From the end of a message to its report being kept, on a busy machine; while the store is away it takes longer by that.
REPORT_TIME = 3.0
SEED = 11


class Arrival:
    """A message that has come to its end at the host."""

    def __init__(self, relay):
        self.relay = relay
        self.began = self.ended = time.monotonic()
        # The 250 was written, and the connection was not cut behind it.
        self.answered = False


class DroppingHost:
    """Takes mail, and drops connections at random: by a close or a reset, at every stage."""

    STAGES = ("connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA", "body", "dot", "answered", "RSET")

    def __init__(self, case):
        self.random = random.Random(SEED)
        # Message-ID: its arrivals, in order.
        self.arrivals = collections.defaultdict(list)
        self.drops = collections.Counter()
        self.port = None
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()
        case.addCleanup(self.close)

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()

    def _drop(self, stage, writer):
        if self.random.random() >= RARE_DROPS.get(stage, DROPS):
            return
        self.drops[stage] += 1
        if self.random.random() < 0.5:
            writer.transport.abort()
        raise ConnectionAbortedError(stage)

    async def _serve(self, reader, writer):
        try:
            await self._talk(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader, writer):
        self._drop("connect", writer)
        writer.write(b"220 mx.far.test ESMTP\r\n")
        self._drop("greeting", writer)
        relay, is_taken = "", False
        while line := await reader.readline():
            verb = line[:4].upper().decode()
            if verb in ("EHLO", "MAIL", "RCPT", "DATA", "RSET"):
                self._drop(verb, writer)
            if verb == "EHLO":
                relay = line.split()[1].decode()
                writer.write(b"250-mx.far.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == "RCPT":
                is_taken = self.random.random() >= DEFERS
                writer.write(b"250 2.1.5 ok\r\n" if is_taken else b"450 4.2.1 come again\r\n")
            elif verb == "DATA" and not is_taken:
                writer.write(b"554 5.5.1 no valid recipients\r\n")
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                await self._take(reader, writer, Arrival(relay))
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 ok\r\n")

    async def _take(self, reader, writer, arrival):
        name = None
        self._drop("body", writer)
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                raise EOFError
            if line.lower().startswith(b"message-id:") and name is None:
                name = re.search(rb"<(.*?)@", line)[1].decode()
        arrival.ended = time.monotonic()
        self.arrivals[name].append(arrival)
        self._drop("dot", writer)
        writer.write(b"250 2.0.0 taken\r\n")
        await writer.drain()
        self._drop("answered", writer)
        arrival.answered = True


class Sender(threading.Thread):
    """Gives messages to smtpd, each with an id of its own: those of which it does not know whether they were taken have
    another one the next time."""

    def __init__(self, number, port, count):
        super().__init__(daemon=True)
        self.number, self.port, self.count = number, port, count
        self.acknowledged = []
        self.unknown = set()
        self.error = None

    def run(self):
        session = None
        serial = 0
        try:
            while len(self.acknowledged) < self.count:
                name = f"{self.number}-{serial}"
                serial += 1
                ended = False
                try:
                    session = session or Smtp(self.port, timeout=60)
                    session.envelope("sender@elsewhere.test", [f"out{serial % DOMAINS}@example.test"])
                    ended = True
                    reply = session.data(f"Message-ID: <{name}@example.test>\r\n\r\n{'x' * 60}\r\n".encode())
                    if reply.code == 250:
                        self.acknowledged.append(name)
                        continue
                    if reply.code // 100 != 4:
                        raise ValueError(f"neither taken nor deferred: {reply}")
                except Refused as refused:
                    # Before the message: the store is away.
                    if refused.reply.code // 100 != 4:
                        raise ValueError(f"neither taken nor deferred: {refused}") from refused
                except (OSError, EOFError):
                    pass
                if ended:
                    self.unknown.add(name)
                if session is not None:
                    session.close()
                session = None
                time.sleep(0.02)
        except ValueError as error:
            self.error = error
        if session is not None:
            session.close()


class SendingLedgerTest(StackCase):

    def start(self, host):
        stack = self.new_stack()
        stack.add_stored(retry_schedule="1s,2s,3s", log_level="info")
        stack.add_smtpd(store_retry_for="5s")
        stack.add_accounts("user")
        stack.ctl.run("route", "set", "default", "--via", f"127.0.0.1:{host.port}")
        for i in range(DOMAINS):
            stack.ctl.add_alias(f"out{i}@example.test", f"to@far{i}.test")
        for i in range(RELAYS):
            stack.add_relay(hostname=f"relay-{i}.example.test")
        return stack

    def kill_in_turn(self, stack, senders):
        """Who was killed, and when: name to times; and when the store was away."""
        kills, away = collections.defaultdict(list), []
        victims = [server for server in stack.servers if server is stack.stored or server.program == "smtpd"
                   and server is not stack.smtpd]
        dice = random.Random(SEED)
        began = time.monotonic()
        turn = []
        while time.monotonic() < began + KILL_SECONDS or any(sender.is_alive() for sender in senders):
            turn = turn or dice.sample(victims, len(victims))
            victim = turn.pop()
            killed = time.monotonic()
            victim.kill()
            victim.restart(ready=victim is stack.stored)
            kills[victim.flags.get("hostname", "stored")].append(killed)
            if victim is stack.stored:
                away.append((killed, time.monotonic()))
            time.sleep(max(0.0, killed + BETWEEN_KILLS - time.monotonic()))
        return kills, away

    def test_all_arrive_and_each_double_is_explained(self):
        host = DroppingHost(self)
        stack = self.start(host)
        port = stack.smtpd.ports["mx"]
        senders = [Sender(i, port, MESSAGES // SENDERS) for i in range(SENDERS)]
        for sender in senders:
            sender.start()
        kills, away = self.kill_in_turn(stack, senders)
        for sender in senders:
            if sender.error:
                raise sender.error
        # What the relays that were killed last had is taken back when their leases have run out.
        wait_until(lambda: int(stack.ctl.json("queue", "stats")["message_count"]) == 0, 240, "an empty queue", interval=0.2)
        self.check(stack, host, senders, kills, away)

    def check(self, stack, host, senders, kills, away):
        acknowledged = {name for sender in senders for name in sender.acknowledged}
        unknown = {name for sender in senders for name in sender.unknown}
        self.assertEqual(set(), acknowledged - set(host.arrivals), "acknowledged and lost")
        self.assertEqual(set(), set(host.arrivals) - acknowledged - unknown, "nobody has sent it")
        why = collections.Counter()
        unexplained = []
        for name, arrivals in host.arrivals.items():
            for first, again in zip(arrivals, arrivals[1:]):
                reason = self.reason(first, again, kills, away)
                why[reason] += 1
                if reason == "none":
                    unexplained.append(f"{name}: {vars(first)} and again {vars(again)}")
        print(f"{len(acknowledged)} acknowledged, {len(unknown)} of unknown end, {len(host.arrivals)} arrived; "
              f"kills: { {name: len(times) for name, times in sorted(kills.items())} }; drops: {dict(host.drops)}; "
              f"doubles: {dict(why)}")
        self.assertEqual([], unexplained, f"kills: {dict(kills)}")
        # Else the test has shown nothing.
        self.assertEqual(RELAYS + 1, len(kills))
        self.assertGreater(why["the connection was dropped"], 0)
        self.assertEqual(set(host.STAGES), set(host.drops))

    @staticmethod
    def reason(first, again, kills, away):
        """Why the host may have it twice."""
        if not first.answered:
            return "the connection was dropped"
        # The report is on its way until then.
        until = first.ended + REPORT_TIME
        for begin, end in away:
            if begin <= until and end >= first.ended:
                until = max(until, end + REPORT_TIME)
        until = min(until, again.ended)
        if any(first.ended - 0.05 <= killed <= until for killed in kills[first.relay]):
            return "the relay was killed"
        if any(first.ended - 0.05 <= killed <= until for killed in kills["stored"]):
            return "the store was killed"
        return "none"


if __name__ == "__main__":
    unittest.main()
