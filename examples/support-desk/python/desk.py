#!/usr/bin/env python3
"""A support desk on Mailstead: makes a ticket of each message in a mailbox, answers it and deletes it."""

import email.header
import email.mime.text
import email.policy
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import sys
import time

sys.path.insert(0, os.environ.get("DESK_STUBS", str(pathlib.Path(__file__).parent / "stubs_of_store")))

import grpc
from google.rpc import error_details_pb2, status_pb2
from mailstead.store.v1 import message_pb2, message_pb2_grpc, submission_pb2, submission_pb2_grpc, watch_pb2, watch_pb2_grpc

CONSUMER = "support-desk"
# What a call may take, in seconds. A Watch has no end of its own.
DEADLINE = 30
# The same call may succeed without anybody having done something (docs/store-api-errors.md); with other codes where the store
# says how long to wait, which is not longer than this.
AGAIN = {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL,
         grpc.StatusCode.UNAVAILABLE}
LONGEST_ASKED = 300
# Of a stream: another desk is at work now, the key was changed, this one read too slowly, or there are too many streams. This one
# waits for its turn.
TURN_LOST = {grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED}


def details_of(error):
    """(reason, seconds to wait) of an error of the store."""
    reason, wait = "", None
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                reason = info.reason
            elif detail.Unpack(retry):
                wait = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, wait


def may_be_repeated(code, asked):
    return code in AGAIN or asked is not None and asked <= LONGEST_ASKED


class Desk:
    def __init__(self, environment):
        self.account = environment.get("DESK_ACCOUNT", "support@example.test")
        self.folder = pathlib.Path(environment.get("DESK_FOLDER", "tickets"))
        self.folder.mkdir(parents=True, exist_ok=True)
        key = pathlib.Path(environment.get("DESK_KEY_FILE", "desk.key")).read_text(encoding="ascii").strip()
        self.key = [("authorization", f"Bearer {key}")]
        store = environment.get("DESK_STORE", "127.0.0.1:7070")
        # So that a store that vanished without a word is missed.
        options = [("grpc.keepalive_time_ms", 60_000)]
        if "DESK_CA_FILE" in environment:
            authority = pathlib.Path(environment["DESK_CA_FILE"]).read_bytes()
            channel = grpc.secure_channel(store, grpc.ssl_channel_credentials(authority), options)
        else:
            channel = grpc.insecure_channel(store, options)
        self.messages = message_pb2_grpc.MessageServiceStub(channel)
        self.submissions = submission_pb2_grpc.SubmissionServiceStub(channel)
        self.watch = watch_pb2_grpc.WatchServiceStub(channel)
        self.incarnation = ""
        # What no other desk is called.
        self.name = secrets.token_hex(8)

    def call(self, method, request, deadline=DEADLINE):
        """A call that is repeated until it has an answer."""
        wait = 0.2
        while True:
            try:
                return method(request, timeout=deadline, metadata=self.key)
            except grpc.RpcError as error:
                _, asked = details_of(error)
                if not may_be_repeated(error.code(), asked):
                    raise
            time.sleep(max(wait, asked or 0))
            wait = min(wait * 2, 30)

    # ---- The feed

    def run(self):
        self.create_consumer()
        wait = 0.2
        while True:
            try:
                request = watch_pb2.WatchRequest(consumer=CONSUMER)
                for response in self.watch.Watch(request, metadata=self.key):
                    wait = 0.2
                    self.take_events(response.events)
                asked = None
            except grpc.RpcError as error:
                reason, asked = details_of(error)
                if reason == "CURSOR_EXPIRED":
                    # What came meanwhile is not told any more. It is still in the mailbox.
                    self.call(self.watch.ResetConsumer,
                              watch_pb2.ResetConsumerRequest(name=CONSUMER, start=watch_pb2.WATCH_START_NOW))
                    continue
                if not may_be_repeated(error.code(), asked) and error.code() not in TURN_LOST:
                    raise
            time.sleep(max(wait, asked or 0))
            wait = min(wait * 2, 30)

    def create_consumer(self):
        only = watch_pb2.WatchFilter(accounts=[self.account], kinds=[watch_pb2.WATCH_KIND_DELIVERED])
        try:
            self.call(self.watch.CreateConsumer, watch_pb2.CreateConsumerRequest(
                name=CONSUMER, filter=only, start=watch_pb2.WATCH_START_NOW))
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.ALREADY_EXISTS:
                raise

    def take_events(self, events):
        for event in events:
            if event.HasField("started"):
                # This desk is the active one. First what is there: from before the consumer was made, or left by another
                # desk.
                self.incarnation = event.started.incarnation
                self.take_all()
            elif event.HasField("delivered"):
                self.take(event.delivered.message_id)
        # None while another desk is at work.
        if events[-1].cursor:
            self.call(self.watch.AckConsumer,
                      watch_pb2.AckConsumerRequest(name=CONSUMER, cursor=events[-1].cursor))

    def take_all(self):
        request = message_pb2.ListMessagesRequest(account=self.account)
        while True:
            page = self.call(self.messages.ListMessages, request)
            for message in page.messages:
                self.take(message.summary.message_id)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    # ---- A message

    def take(self, message_id):
        try:
            message = self.call(self.messages.GetMessage, message_pb2.GetMessageRequest(
                account=self.account, message_id=message_id, view=message_pb2.MESSAGE_VIEW_PARSED))
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return  # Dealt with before a restart.
            raise
        # In another incarnation of the store the same id may be another message's.
        name = f"{self.incarnation} {self.account} {message.summary.unique_id}"
        ticket = hashlib.sha256(name.encode()).hexdigest()
        self.write(ticket, message)
        # Of desks that were killed, or are behind.
        for left in self.folder.glob(f"{ticket}.unfinished-*"):
            shutil.rmtree(left, ignore_errors=True)
        self.answer(ticket, message)
        self.call(self.messages.DeleteMessages,
                  message_pb2.DeleteMessagesRequest(account=self.account, message_ids=[message_id]))
        print(f"ticket {ticket}", flush=True)

    def write(self, ticket, message):
        finished, unfinished = self.folder / ticket, self.folder / f"{ticket}.unfinished-{self.name}"
        if finished.exists():
            return
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        parts = {part.part_id: part for part in message.parsed.parts}
        attachments = []
        for number, part_id in enumerate(message.parsed.attachment_part_ids, 1):
            name = f"attachment-{number}"
            self.fetch(message.summary.message_id, part_id, unfinished / name)
            attachments.append({"file": name, "sent_as": parts[part_id].file_name, "type": parts[part_id].media_type})
        text = parts.get(message.parsed.plain_text_part_id) or parts.get(message.parsed.html_text_part_id)
        about = {"from": [address.address for address in message.header.from_addresses],
                 "subject": message.header.subject, "text": text.text if text else "", "attachments": attachments}
        (unfinished / "ticket.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        try:
            unfinished.rename(finished)
        except OSError:
            if not finished.exists():  # Another desk has written it meanwhile.
                raise

    def fetch(self, message_id, part_id, path):
        def to_file(request, **options):
            with open(path, "wb") as file:
                for piece in self.messages.FetchMessage(request, **options):
                    file.write(piece.content)
        request = message_pb2.FetchMessageRequest(account=self.account, message_id=message_id, part_id=part_id)
        self.call(to_file, request, deadline=20 * DEADLINE)

    def answer(self, ticket, message):
        sender = message.summary.reverse_path
        fields = {field.name.lower(): field.value.lower() for field in message.header.fields}
        # RFC 3834 section 2: never to a program, and never to a list.
        if (not sender or fields.get("auto-submitted", "no") != "no" or "list-id" in fields
                or fields.get("precedence") in ("bulk", "junk", "list")):
            return
        content = email.mime.text.MIMEText(f"We have got your message. Its number is {ticket[:8]}.\n", "plain", "utf-8",
                                           policy=email.policy.compat32.clone(linesep="\r\n"))
        content["From"] = self.account
        content["To"] = sender
        content["Subject"] = email.header.Header(f"[{ticket[:8]}] {message.header.subject}", "utf-8")
        content["Auto-Submitted"] = "auto-replied"
        if message.header.header_message_id:
            content["In-Reply-To"] = content["References"] = f"<{message.header.header_message_id}>"
        envelope = message_pb2.Envelope(recipients=[message_pb2.EnvelopeRecipient(address=sender)])
        try:
            self.call(self.submissions.SubmitMessage, submission_pb2.SubmitMessageRequest(
                request_id=ticket, account=self.account, envelope=envelope, content=content.as_bytes()))
        except grpc.RpcError as error:
            # No answer is no reason to lose the ticket.
            print(f"no answer to {sender}: {details_of(error)[0]} {error.details()}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        Desk(os.environ).run()
    except grpc.RpcError as problem:
        sys.exit(f"desk: {problem.code().name} {details_of(problem)[0]}: {problem.details()}")
