"""A client of the change feed, and what a follower needs beside it.

As a program it is a worker of a consumer, which can be killed:

    python3 -m mailstead.feed STORE TOKEN_FILE CONSUMER LEDGER

It writes a line "account message" to LEDGER for each Delivered, and then acknowledges it.
"""

import sys

from .store_client import StoreClient

RECONNECTS = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500))


def watch_fields(accounts=(), domain="", everything=False, **fields):
    """Those of a WatchRequest."""
    if accounts or domain or everything:
        fields["filter"] = {"accounts": accounts, "domain": domain, "all": everything}
    return fields


class Feed(StoreClient):
    """One connection."""

    def __init__(self, address, token_file, options=()):
        super().__init__(address, token_file, options=(*RECONNECTS, *options))

    def responses(self, timeout=600, **wanted):
        """Those of a stream; `wanted` as for watch_fields."""
        return self.start("WatchService/Watch", watch_fields(**wanted), timeout=timeout)

    def events(self, timeout=600, **wanted):
        """Its events, one by one."""
        for response in self.responses(timeout, **wanted):
            yield from response.events

    def ack(self, name, cursor):
        self.call("WatchService/AckConsumer", name=name, cursor=cursor)

    def ids(self, account):
        """(ids, cursor of the first page)"""
        ids, cursor = set(), None
        for page in self.pages(account, page_size=50):
            cursor = cursor or page.cursor
            ids |= {message.summary.message_id for message in page.messages}
        return ids, cursor

    def delete(self, account, ids):
        self.call("MessageService/DeleteMessages", account=account, message_ids=ids)


def apply(event, known):
    """What an event makes of the ids of a mailbox."""
    kind = event.WhichOneof("event")
    if kind == "delivered":
        known.add(event.delivered.message_id)
    elif kind == "deleted":
        known -= set(event.deleted.message_ids)
        if event.deleted.all:
            known.clear()


def work(address, token_file, consumer, ledger):
    feed = Feed(address, token_file)
    with open(ledger, "a", encoding="ascii") as file:
        for event in feed.events(consumer=consumer, heartbeat_interval={"seconds": 1}):
            if event.WhichOneof("event") == "delivered":
                print(event.account_id, event.delivered.message_id, file=file, flush=True)
            if event.cursor:
                feed.ack(consumer, event.cursor)


if __name__ == "__main__":
    work(*sys.argv[1:])
