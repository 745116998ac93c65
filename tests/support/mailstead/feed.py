"""A client of mailstead.store.v1, as an application has one: the change feed and what a follower needs beside it.

As a program it is a worker of a consumer, which can be killed:

    python3 -m mailstead.feed STUBS STORE TOKEN_FILE CONSUMER LEDGER

It writes a line "account message" to LEDGER for each Delivered, and then acknowledges it.
"""

import importlib
import pathlib
import sys

import grpc

import mailstead

from .paths import REPOSITORY, tool
from .process import run_tool

PROTO = REPOSITORY / "proto"
SERVICE = "/mailstead.store.v1."
FILES = ("parsed_message", "message", "watch")


def make_stubs(folder):
    """Into `folder`, once."""
    files = [f"mailstead/store/v1/{name}.proto" for name in FILES]
    done = run_tool([tool("protoc"), f"-I{PROTO}", "-I/usr/include", f"--python_out={folder}", *files])
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode())
    return folder


def load_stubs(folder):
    """(message_pb2, watch_pb2). A package of this name is there already."""
    path = str(pathlib.Path(folder) / "mailstead")
    if path not in mailstead.__path__:
        mailstead.__path__.append(path)
    return tuple(importlib.import_module(f"mailstead.store.v1.{name}_pb2") for name in ("message", "watch"))


class Feed:
    """One connection."""

    def __init__(self, stubs, address, token_file, options=()):
        self.message, self.watch = load_stubs(stubs)
        # Connections of others are not shared.
        self.channel = grpc.insecure_channel(address, [*options, ("grpc.use_local_subchannel_pool", 1),
                                                       ("grpc.initial_reconnect_backoff_ms", 100),
                                                       ("grpc.max_reconnect_backoff_ms", 500)])
        self.metadata = [("authorization", "Bearer " + pathlib.Path(token_file).read_text(encoding="ascii").strip())]

    def close(self):
        self.channel.close()

    def call(self, method, request, response, timeout=30):
        stub = self.channel.unary_unary(SERVICE + method, type(request).SerializeToString, response.FromString)
        return stub(request, timeout=timeout, metadata=self.metadata)

    def responses(self, request, timeout=600):
        stub = self.channel.unary_stream(SERVICE + "WatchService/Watch", type(request).SerializeToString,
                                         self.watch.WatchResponse.FromString)
        return stub(request, timeout=timeout, metadata=self.metadata)

    def events(self, timeout=600, accounts=(), domain="", everything=False, **fields):
        """Events of a stream, one by one."""
        request = self.watch.WatchRequest(**fields)
        if accounts or domain or everything:
            request.filter.accounts.extend(accounts)
            request.filter.domain = domain
            request.filter.all = everything
        for response in self.responses(request, timeout):
            yield from response.events

    def ack(self, name, cursor):
        self.call("WatchService/AckConsumer", self.watch.AckConsumerRequest(name=name, cursor=cursor),
                  self.watch.AckConsumerResponse)

    def list(self, account):
        """(ids, cursor of the first page)"""
        ids, cursor, token = set(), None, ""
        while True:
            page = self.call("MessageService/ListMessages",
                             self.message.ListMessagesRequest(account=account, page_size=50, page_token=token),
                             self.message.ListMessagesResponse)
            cursor = cursor or page.cursor
            ids |= {message.summary.message_id for message in page.messages}
            token = page.next_page_token
            if not token:
                return ids, cursor

    def delete(self, account, ids):
        self.call("MessageService/DeleteMessages",
                  self.message.DeleteMessagesRequest(account=account, message_ids=ids),
                  self.message.DeleteMessagesResponse)


def apply(event, known):
    """What an event makes of the ids of a mailbox."""
    kind = event.WhichOneof("event")
    if kind == "delivered":
        known.add(event.delivered.message_id)
    elif kind == "deleted":
        known -= set(event.deleted.message_ids)
        if event.deleted.all:
            known.clear()


def work(stubs, address, token_file, consumer, ledger):
    feed = Feed(stubs, address, token_file)
    with open(ledger, "a", encoding="ascii") as file:
        for event in feed.events(consumer=consumer, heartbeat_interval={"seconds": 1}):
            if event.WhichOneof("event") == "delivered":
                print(event.account_id, event.delivered.message_id, file=file, flush=True)
            if event.cursor:
                feed.ack(consumer, event.cursor)


if __name__ == "__main__":
    work(*sys.argv[1:])
