"""How Watch scales: many streams, each on a mailbox of its own, and a consumer that has been away.

    PYTHONPATH=tests/support MAILSTEAD_BIN=build/bin /usr/bin/python3 bench/watch/main.py [--scale 0.01]

At scale 1: 10,000 streams, 500 deliveries a second for 20 seconds, and 1,000,000 events to catch up with. Prints a line for
each figure. The client runs on the same machine and takes its part of the processor.
"""

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.mailstead import PASSWORD_HASH

from mailstead.feed import Feed, watch_fields
from mailstead.stack import Stack
from mailstead.store_client import message

MAIL = b"Subject: watched\r\n\r\nHello\r\n"
WATCH = "WatchService/Watch"
DELIVER = "MessageService/DeliverMessage"
STREAMS = 10_000
STREAMS_OF_CONNECTION = 1000
RATE = 500
SECONDS = 20
EVENTS = 1_000_000
# Mailboxes that one message goes to, to make many events soon.
WIDE = 1000


def delivery(number, recipients):
    envelope = {"delivery_id": f"bench-of-watch-{number:010}",
                "recipients": [{"address": recipient} for recipient in recipients]}
    return message("mailstead.store.v1.DeliverMessageRequest")(content=MAIL, envelope=envelope)


def watch(**wanted):
    return message("mailstead.store.v1.WatchRequest")(**watch_fields(**wanted))


class Streams:
    """Many streams that note when they are told."""

    def __init__(self, feed, address, users):
        self.feed, self.address, self.users = feed, address, users
        self.told = {}
        self.started = 0

    async def one(self, channel, user):
        stub = self.feed.stub(WATCH, channel)
        async for response in stub(watch(accounts=[user]), timeout=3600, metadata=self.feed.metadata):
            for event in response.events:
                if event.HasField("started"):
                    self.started += 1
                if event.HasField("delivered"):
                    self.told[event.delivered.message.summary.delivery_id] = time.monotonic()

    async def run(self, stored, deliveries):
        channels = [grpc.aio.insecure_channel(self.address, [("grpc.use_local_subchannel_pool", 1)])
                    for _ in range(-(-len(self.users) // STREAMS_OF_CONNECTION))]
        before = stored.process.resident_bytes()
        tasks = [asyncio.create_task(self.one(channels[number // STREAMS_OF_CONNECTION], user))
                 for number, user in enumerate(self.users)]
        while self.started < len(self.users):
            await asyncio.sleep(0.05)
        resident = stored.process.resident_bytes()
        print(f"watch_streams {len(self.users)}")
        print(f"watch_resident_mib {resident >> 20}")
        print(f"watch_stream_kib {(resident - before) / 1024 / len(self.users):.1f}")
        answered = await self.deliver(channels[0], deliveries)
        while len(self.told) < deliveries:
            await asyncio.sleep(0.05)
        late = sorted(self.told[key] - answered[key] for key in answered)
        print(f"watch_told_median_ms {1000 * statistics.median(late):.1f}")
        print(f"watch_told_p99_ms {1000 * late[int(0.99 * (len(late) - 1))]:.1f}")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # gRPC waits for ever when its last object goes while it has yet to say that calls were cancelled.
        await asyncio.sleep(2)
        for channel in channels:
            await channel.close()

    async def deliver(self, channel, count):
        """RATE a second; when each was answered, by its delivery id."""
        stub = self.feed.stub(DELIVER, channel)
        answered = {}

        async def one(number):
            request = delivery(number, [self.users[number % len(self.users)]])
            await stub(request, timeout=60, metadata=self.feed.metadata)
            answered[request.envelope.delivery_id] = time.monotonic()
        begun = time.monotonic()
        tasks = []
        for number in range(count):
            await asyncio.sleep(max(0, begun + number / RATE - time.monotonic()))
            tasks.append(asyncio.create_task(one(number)))
        await asyncio.gather(*tasks)
        print(f"watch_delivery_rate {count / (time.monotonic() - begun):.0f}")
        return answered


def catch_up(feed, users, count):
    """A consumer that was away: events a second, as bytes that nobody reads."""
    deliver = feed.stub(DELIVER)
    feed.call("WatchService/CreateConsumer", name="away", filter={"all": True})
    for number in range(count // len(users)):
        deliver(delivery(10**9 + number, users), timeout=600, metadata=feed.metadata)
    total = count // len(users) * len(users)
    # As the consumer would, but for the acknowledgements, which are few.
    deliveries = {"all": True, "kinds": ["WATCH_KIND_DELIVERED"]}
    responses = feed.responses(3600, filter=deliveries, start="WATCH_START_OLDEST", heartbeat_interval={"seconds": 1})
    begun = time.monotonic()
    seen = 0
    for response in responses:
        seen += sum(event.HasField("delivered") for event in (response.events[0], response.events[-1])) and len(
            response.events)
        if seen >= total:
            break
    print(f"watch_catch_up_events {seen}")
    print(f"watch_catch_up_rate {seen / (time.monotonic() - begun):.0f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=0.01)
    scale = parser.parse_args().scale
    stack = Stack()
    try:
        stack.add_stored(change_count=100_000_000)
        count = max(100, int(STREAMS * scale))
        users = stack.add_accounts(*[f"user{number}" for number in range(max(count, WIDE))],
                                   password=PASSWORD_HASH)
        feed = Feed(stack.stored.address, stack.token("operator"))
        # First: calls that block do not go well with an event loop of gRPC that was there before.
        catch_up(feed, users[:WIDE], max(50_000, int(EVENTS * scale)))
        asyncio.run(Streams(feed, stack.stored.address, users[:count]).run(
            stack.stored, max(500, int(RATE * SECONDS * scale))))
    finally:
        stack.close()


if __name__ == "__main__":
    main()
