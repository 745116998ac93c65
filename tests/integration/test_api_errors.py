"""docs/store-api-errors.md: every row of it, made to happen at the real store.

Adding a reason: a row in the document, and a function here under its name that brings it about.
"""

import os
import threading
import time
import unittest

import grpc

from mailstead.paths import REPOSITORY
from mailstead.stack import PASSWORD, Stack, StackCase
from mailstead.store_client import StoreClient, failure_of

MAIL = b"Subject: hello\r\n\r\nHello\r\n"
ANN = "ann@example.test"
KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20
# Nobody but ourselves can bring about a fault of ours, and what proxies say is theirs.
NOT_TO_BE_MADE = {"UNKNOWN", "INTERNAL"}
# Codes that come with reasons of their own only.
BY_REASON = {"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "UNAUTHENTICATED"}

HAPPEN = {}


def happens(*names):
    """The function makes an error happen that has one of these names, a code or a reason, in the document."""
    def add(function):
        HAPPEN.update({name: function for name in names})
        return function
    return add


def rows(heading):
    """Of the table under a heading of the document: {first cell: the others}."""
    text = (REPOSITORY / "docs/store-api-errors.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return {line[0]: line[1:] for line in lines[2:]}


def seconds(after):
    number, unit = after.split()
    return float(number) * {"s": 1, "min": 60}[unit]


def made_folder(stack):
    folder = stack.folder / "backups"
    folder.mkdir()
    return folder


class World:
    """A store with everything, callers of each role, and what they have made."""

    def __init__(self, stack):
        self.stack = stack
        stack.add_stored(secrets_key_file=stack.folder / "secrets.key", backup_dir=made_folder(stack))
        self.address = stack.stored.address
        self.operator, self.smtp, self.pop, self.relay, self.web = (
            StoreClient(self.address, stack.token(role)) for role in ("operator", "smtp", "pop", "relay", "web"))
        self.stranger = StoreClient(self.address)
        stack.add_accounts("ann")
        self.count = 0

    def close(self):
        for client in (self.operator, self.smtp, self.pop, self.relay, self.web, self.stranger):
            client.close()

    def id(self, what="id"):
        self.count += 1
        return f"{what}-{self.count:016}"

    def account(self, name, **fields):
        address = f"{name}@example.test"
        self.operator.call("DirectoryService/CreateAccount", account=dict(address=address, **fields),
                           password=dict(plain=PASSWORD))
        return address

    def alias(self, name, *targets):
        self.operator.call("DirectoryService/CreateAlias", alias=dict(address=f"{name}@example.test", targets=targets))
        return f"{name}@example.test"

    def envelope(self, *recipients, delivery_id=None):
        return dict(delivery_id=delivery_id or self.id("delivery"), reverse_path="a@elsewhere.test",
                    recipients=[dict(address=address) for address in recipients])

    def deliver(self, *recipients, content=MAIL, delivery_id=None):
        return self.operator.call("MessageService/DeliverMessage", content=content,
                                  envelope=self.envelope(*recipients, delivery_id=delivery_id))

    def not_delivered(self, *recipients, **options):
        return failure_of(lambda: self.deliver(*recipients, **options))

    def submit(self, grant, session, *recipients, delivery_id=None):
        """As smtpd does for a login."""
        return self.smtp.start("+DeliveryService/Deliver",
                               dict(envelope=self.envelope(*recipients, delivery_id=delivery_id), grant=grant, content=MAIL,
                                    end=dict(trace=b"")), metadata=session)

    def log_in(self, client, address, session=None):
        """A grant, and the metadata of its session."""
        metadata = [("mailstead-session", session or self.id("session"))]
        [answer] = client.call("+AuthService/Authenticate",
                               dict(start=dict(mechanism="PLAIN", client_address="192.0.2.1",
                                               initial_response=f"\0{address}\0{PASSWORD}".encode())), metadata=metadata)
        assert answer.verdict.result == 1, answer
        return answer.verdict.grant, metadata

    def open(self, address, **fields):
        """A maildrop: its grant, metadata and token. Under a lease."""
        grant, session = self.log_in(self.pop, address)
        lease = self.id("lease")
        self.pop.call("+LeaseService/RenewLease", lease_id=lease, holder="test", ttl=dict(seconds=60))
        opened = self.pop.call("+MaildropService/OpenMaildrop", grant=grant, lease_id=lease, metadata=session, **fields)
        return grant, session, opened.token


# ---- Reasons


@happens("INVALID_FIELD")
def invalid_field(world):
    found = world.operator.failure("DirectoryService/CreateAccount", account=dict(
        address="nobody", state=7, quota=dict(bytes=-1, messages=-1)), password=dict(plain="\x01"))
    # All of them at once.
    assert found.fields == ["account.state", "account.address", "account.quota.bytes", "account.quota.messages",
                            "password.plain"], found
    return found


@happens("INCOMPLETE_STREAM")
def incomplete_stream(world):
    return world.operator.failure("MessageService/DeliverMessageStream", dict(envelope=world.envelope(ANN)), dict(content=MAIL))


@happens("BARE_LINE_END")
def bare_line_end(world):
    return world.not_delivered(ANN, content=b"Subject: x\n\nHello\n")


@happens("NUL")
def nul(world):
    return world.not_delivered(ANN, content=b"Subject: x\r\n\r\n\0\r\n")


@happens("EMPTY_MESSAGE")
def empty_message(world):
    return world.not_delivered(ANN, content=b"")


@happens("LINE_TOO_LONG")
def line_too_long(world):
    return world.not_delivered("a@far.test", content=b"Subject: x\r\n\r\n" + b"x" * 999 + b"\r\n")


def limited(world, name, hourly):
    address = world.account(name)
    world.operator.call("SendingService/SetSendingLimits", account=address,
                        limits=dict(hourly_recipients=dict(value=hourly)))
    return world.log_in(world.smtp, address)


@happens("TOO_MANY_RECIPIENTS")
def too_many_recipients(world):
    grant, session = limited(world, "crowd", 1)
    return failure_of(world.submit(grant, session, "a@far.test", "b@far.test").result)


@happens("SENDING_LIMIT")
def sending_limit(world):
    grant, session = limited(world, "often", 1)
    world.submit(grant, session, "a@far.test").result()
    found = failure_of(world.submit(grant, session, "a@far.test").result)
    assert 3000 < found.retry <= 3700, found
    return found


@happens("SENDING_PAUSED")
def sending_paused(world):
    address = world.account("paused")
    grant, session = world.log_in(world.smtp, address)
    world.operator.call("SendingService/PauseSending", account=address)
    return failure_of(world.submit(grant, session, "a@far.test").result)


def not_submitted(client, account=ANN, content=b"From: ann@example.test\r\n" + MAIL, request_id="request-0123456789", **fields):
    recipients = dict(recipients=[dict(address="a@far.test")])
    return client.failure("SubmissionService/SubmitMessage", request_id=request_id, account=account, content=content,
                          **{"envelope": recipients, **fields})


@happens("REQUEST_ID_REUSED")
def request_id_reused(world):
    world.operator.call("SubmissionService/SubmitMessage", request_id="used-0123456789abcdef", account=ANN,
                        content=b"From: ann@example.test\r\n" + MAIL, envelope=dict(recipients=[dict(address=ANN)]))
    return not_submitted(world.operator, request_id="used-0123456789abcdef")


@happens("SENDER_NOT_ALLOWED")
def sender_not_allowed(world):
    return not_submitted(world.operator, content=b"From: somebody@far.test\r\n" + MAIL)


@happens("FROM_UNREADABLE")
def from_unreadable(world):
    return not_submitted(world.operator, content=b"From: nobody\r\n" + MAIL)


@happens("TOO_MANY_HOPS")
def too_many_hops(world):
    return not_submitted(world.operator, content=b"Received: from x\r\n" * 101 + b"From: ann@example.test\r\n" + MAIL)


@happens("ACCOUNT_DISABLED")
def account_disabled(world):
    return not_submitted(world.operator, account=world.account("retired", state=2))


@happens("TOO_MANY_SUBMISSIONS")
def too_many_submissions(world):
    world.bare.call("DirectoryService/CreateDomain", domain=dict(name="example.test"))
    world.bare.call("DirectoryService/CreateAccount", account=dict(address=ANN), password=dict(plain=PASSWORD))
    later = dict(seconds=int(time.time()) + 3600)
    world.bare.call("SubmissionService/SubmitMessage", request_id=world.id("request"), account=ANN, send_time=later,
                    content=b"From: ann@example.test\r\n" + MAIL, envelope=dict(recipients=[dict(address=ANN)]))
    return not_submitted(world.bare, request_id=world.id("request"))


@happens("DOMAIN_NOT_FOUND")
def domain_not_found(world):
    return world.operator.failure("DirectoryService/GetDomain", name="none.test")


@happens("ACCOUNT_NOT_FOUND")
def account_not_found(world):
    return world.operator.failure("DirectoryService/GetAccount", account="none@example.test")


@happens("ALIAS_NOT_FOUND")
def alias_not_found(world):
    return world.operator.failure("DirectoryService/GetAlias", address="none@example.test")


@happens("MESSAGE_NOT_FOUND")
def message_not_found(world):
    return world.operator.failure("MessageService/FetchMessage", account=ANN, message_id=4444)


@happens("PART_NOT_FOUND")
def part_not_found(world):
    address = world.account("parts")
    world.deliver(address)
    return world.operator.failure("MessageService/FetchMessage", account=address, message_id=1, part_id="1.7")


@happens("SUBMISSION_NOT_FOUND")
def submission_not_found(world):
    return world.operator.failure("SubmissionService/GetSubmission", submission_id="none")


@happens("CONSUMER_NOT_FOUND")
def consumer_not_found(world):
    return world.operator.failure("WatchService/GetConsumer", name="none")


@happens("SESSION_NOT_FOUND")
def session_not_found(world):
    return world.operator.failure("AdminService/EndSession", account=ANN, session_id="none")


@happens("LOCKOUT_NOT_FOUND")
def lockout_not_found(world):
    return world.operator.failure("AdminService/ClearLockouts", account=ANN)


@happens("ROUTE_NOT_FOUND")
def route_not_found(world):
    return world.operator.failure("RouteService/DeleteRoute", destination="none.test")


@happens("BACKUP_NOT_FOUND")
def backup_not_found(world):
    return world.operator.failure("BackupService/VerifyBackup", name="none")


@happens("BACKUP_EXISTS")
def backup_exists(world):
    world.operator.call("BackupService/CreateBackup", name="twice")
    return world.operator.failure("BackupService/CreateBackup", name="twice")


@happens("RECIPIENT_UNKNOWN")
def recipient_unknown(world):
    return world.not_delivered(ANN, "none@example.test")


@happens("RECIPIENT_DISABLED")
def recipient_disabled(world):
    return world.not_delivered(world.account("disabled", state=2))


@happens("RECIPIENT_REMOTE")
def recipient_remote(world):
    # Without a login nothing goes to other hosts.
    return failure_of(world.smtp.start("+DeliveryService/Deliver", dict(
        envelope=world.envelope("a@far.test"), content=MAIL, end=dict(trace=b""))).result)


@happens("ADDRESS_TAKEN")
def address_taken(world):
    return world.operator.failure("DirectoryService/CreateAccount", account=dict(address=ANN))


@happens("DELIVERY_ID_REUSED")
def delivery_id_reused(world):
    world.deliver(ANN, delivery_id="used-0123456789abcdef")
    return world.not_delivered(ANN, delivery_id="used-0123456789abcdef", content=MAIL + b"more\r\n")


@happens("DELIVERY_VOIDED")
def delivery_voided(world):
    delivery_id = world.id("voided")
    world.smtp.call("+DeliveryService/SettleDelivery", delivery_id=delivery_id)
    return failure_of(world.smtp.start("+DeliveryService/Deliver", dict(
        envelope=world.envelope(ANN, delivery_id=delivery_id), content=MAIL, end=dict(trace=b""))).result)


@happens("DOMAIN_NOT_EMPTY")
def domain_not_empty(world):
    return world.operator.failure("DirectoryService/DeleteDomain", name="example.test")


@happens("ETAG_MISMATCH")
def etag_mismatch(world):
    address = world.account("raced")
    old = world.operator.call("DirectoryService/GetAccount", account=address).etag
    change = dict(account=address, update=dict(state=2, etag=old), update_mask=dict(paths=["state"]))
    world.operator.call("DirectoryService/UpdateAccount", **change)
    return world.operator.failure("DirectoryService/UpdateAccount", **change)


@happens("NO_LEASE")
def no_lease(world):
    grant, session = world.log_in(world.pop, ANN)
    return world.pop.failure("+MaildropService/OpenMaildrop", grant=grant, lease_id=world.id("lease"), metadata=session)


@happens("MAILDROP_IN_USE")
def maildrop_in_use(world):
    address = world.account("busy")
    world.open(address)
    return failure_of(lambda: world.open(address))


@happens("LOGIN_DELAY")
def login_delay(world):
    address = world.account("eager")
    grant, session, _ = world.open(address)
    world.pop.call("+MaildropService/ReleaseMaildrop", grant=grant, metadata=session)
    found = failure_of(lambda: world.open(address, min_interval=dict(seconds=60)))
    assert 30 < found.retry <= 60, found
    return found


@happens("FENCED")
def fenced(world):
    grant, session, _ = world.open(world.account("fenced"))
    return world.pop.failure("+MaildropService/CommitMaildrop", grant=grant, token=b"12345678", metadata=session)


@happens("SESSION_ENDED")
def session_ended(world):
    address = world.account("ended")
    grant, session, token = world.open(address)
    world.operator.call("AdminService/EndSession", account=address, session_id=session[0][1])
    return world.pop.failure("+MaildropService/CommitMaildrop", grant=grant, token=token, metadata=session)


@happens("EXCHANGE_ABANDONED")
def exchange_abandoned(world):
    return world.pop.failure("+AuthService/Authenticate", dict(start=dict(mechanism="PLAIN", client_address="192.0.2.1")))


@happens("GRANT_INVALID")
def grant_invalid(world):
    return world.pop.failure("+MaildropService/ReleaseMaildrop", grant=b"guess")


@happens("GRANT_EXPIRED")
def grant_expired(world):
    address = world.account("moved")
    grant, session = world.log_in(world.pop, address)
    world.operator.call("DirectoryService/SetPassword", account=address, password=dict(plain="another one"))
    return world.pop.failure("+MaildropService/FetchMessage", grant=grant, message_id=1, metadata=session)


@happens("OVER_QUOTA")
def over_quota(world):
    address = world.account("full", quota=dict(messages=1))
    world.deliver(address)
    return world.not_delivered(address)


@happens("QUOTA_TOO_SMALL")
def quota_too_small(world):
    return world.not_delivered(world.account("small", quota=dict(bytes=10)))


@happens("TOO_MANY_MAILBOXES")
def too_many_mailboxes(world):
    world.alias("list", *(f"member-{number}@far.test" for number in range(1000)))
    return world.not_delivered(*(f"list+{number}@example.test" for number in range(3000)))


@happens("TOO_LARGE")
def too_large(world):
    return world.operator.failure("DirectoryService/GetDomain", name="x" * (2 * MEBIBYTE))


@happens("ALIAS_TOO_DEEP")
def alias_too_deep(world):
    for number in range(12):
        world.alias(f"step-{number}", f"step-{number + 1}@example.test")
    world.alias("step-12", ANN)
    return world.not_delivered("step-0@example.test")


def create_webhook(world):
    return world.operator.call("WebhookService/CreateWebhook", url="https://a.test/", filter=dict(all=True))


@happens("WEBHOOK_NOT_FOUND")
def webhook_not_found(world):
    return world.operator.failure("WebhookService/GetWebhook", webhook_id="nobody")


@happens("TOO_MANY_WEBHOOKS")
def too_many_webhooks(world):
    while True:
        try:
            create_webhook(world)
        except grpc.RpcError:
            return world.operator.failure("WebhookService/CreateWebhook", url="https://a.test/", filter=dict(all=True))


@happens("WEBHOOK_FENCED")
def webhook_fenced(world):
    [webhook, *_] = world.operator.call("WebhookService/ListWebhooks").webhooks or [create_webhook(world).webhook]
    return world.web.failure("+WebhookSendingService/ReportWebhookEvents", webhook_id=webhook.webhook_id,
                             fence=1)


@happens("TOO_MANY_ROUTES")
def too_many_routes(world):
    def set_route(number):
        return world.operator.start("RouteService/SetRoute", route=dict(
            destination=f"d{number}.test", hosts=[dict(host="192.0.2.1")], tls=1))
    for call in [set_route(number) for number in range(1000)]:
        call.result()
    return failure_of(set_route(1000).result)


def create_key(world, domain, selector, **fields):
    return world.operator.call("DkimService/CreateDkimKey", domain=domain, selector=selector, type=2, **fields)


@happens("DKIM_KEY_NOT_FOUND")
def dkim_key_not_found(world):
    return world.operator.failure("DkimService/DeleteDkimKey", domain="example.test", selector="none")


@happens("DKIM_KEY_EXISTS")
def dkim_key_exists(world):
    create_key(world, "example.test", "twice")
    return failure_of(lambda: create_key(world, "example.test", "twice"))


@happens("DKIM_KEY_ACTIVE")
def dkim_key_active(world):
    create_key(world, "example.test", "active", activate=True)
    return world.operator.failure("DkimService/DeleteDkimKey", domain="example.test", selector="active")


@happens("DKIM_KEY_RETIRED")
def dkim_key_retired(world):
    world.operator.call("DirectoryService/CreateDomain", domain=dict(name="retired.test"))
    for selector in ("old", "new"):
        create_key(world, "retired.test", selector, activate=True)
    return world.operator.failure("DkimService/ActivateDkimKey", domain="retired.test", selector="old")


@happens("TOO_MANY_DKIM_KEYS")
def too_many_dkim_keys(world):
    world.operator.call("DirectoryService/CreateDomain", domain=dict(name="keys.test"))
    for number in range(10):
        create_key(world, "keys.test", f"s{number}")
    return failure_of(lambda: create_key(world, "keys.test", "s10"))


@happens("NO_DKIM_KEY")
def no_dkim_key(world):
    world.operator.call("DirectoryService/CreateDomain", domain=dict(name="unsigned.test"))
    return world.operator.failure("DkimService/RotateDkimKeys", domain="unsigned.test")


@happens("NOT_IN_FLIGHT")
def not_in_flight(world):
    return world.relay.failure("+SigningService/SignMessage", queue_id=4444, names=["from"],
                               canonical_header=b"from:a@example.test\r\n", body_sha256=b"x" * 32)


@happens("NO_SECRETS_KEY")
def no_secrets_key(world):
    return world.bare.failure("DkimService/CreateDkimKey", domain="bare.test", selector="s", type=2)


@happens("NO_BACKUP_DIR")
def no_backup_dir(world):
    return world.bare.failure("BackupService/CreateBackup", name="none")


@happens("SRS_OFF")
def srs_off(world):
    return world.bare.failure("SrsService/RotateSrsSecret")


@happens("REVISION_TOO_OLD")
def revision_too_old(world):
    return world.smtp.failure("+BatchService/Probe", metadata=[("mailstead-revision", "0")])


@happens("REVISION_TOO_NEW")
def revision_too_new(world):
    return world.smtp.failure("+BatchService/Probe", metadata=[("mailstead-revision", "999999")])


@happens("DISK_FULL")
def disk_full(world):
    return world.full.failure("DirectoryService/CreateDomain", domain=dict(name="full.test"))


@happens("BUSY")
def busy(world):
    # Of one connection's callers without a token.
    stranger = StoreClient(world.address)
    watches = [stranger.start("grpc.health.v1.Health/Watch") for _ in range(64)]
    for watch in watches:
        next(watch)
    found = stranger.failure("grpc.health.v1.Health/Check")
    stranger.close()
    return found


@happens("CALL_TOO_LONG")
def call_too_long(world):
    began = time.monotonic()
    found = failure_of(lambda: list(world.bare.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")(waits_for_ever(), metadata=world.bare.metadata)))
    assert 0.9 < time.monotonic() - began < 20
    return found


@happens("STREAM_AGE")
def stream_age(world):
    return failure_of(lambda: list(world.bare.start("grpc.health.v1.Health/Watch", timeout=None)))


def watch(client, **fields):
    """The stream, begun."""
    events = client.start("WatchService/Watch", **{"filter": dict(all=True), "timeout": 60, **fields})
    return events, next(events).events[0].cursor


@happens("CURSOR_EXPIRED")
def cursor_expired(world):
    # Of another store, as of one before it was restored.
    events, cursor = watch(world.full)
    events.cancel()
    return world.operator.failure("WatchService/Watch", filter=dict(all=True), cursor=cursor)


@happens("SLOW_READER")
def slow_reader(world):
    world.slow_store.add_accounts("ann")
    world.slow.call("MessageService/DeliverMessage", content=MAIL + b"x" * 70 * KIBIBYTE + b"\r\n", envelope=dict(
        delivery_id="slowly-0123456789", recipients=[dict(address=ANN)]))
    for number in range(20):
        world.slow.call("MessageService/DeliverMessage", content=MAIL + b"x" * 200 * KIBIBYTE + b"\r\n", envelope=dict(
            delivery_id=f"slowly-{number:016}", recipients=[dict(address=ANN)]))
    events, _ = watch(world.slow, start=2, view=4)
    time.sleep(1.5)  # Behind the limit, and before it is cut off.
    return failure_of(lambda: list(events))


@happens("TOO_MANY_WATCHES")
def too_many_watches(world):
    events, _ = watch(world.slow)
    found = world.slow.failure("WatchService/Watch", filter=dict(all=True))
    events.cancel()
    return found


@happens("WATCH_ENDED")
def watch_ended(world):
    events, _ = watch(world.leaving)
    world.end_leaving()
    return failure_of(lambda: list(events))


@happens("CONSUMER_EXISTS")
def consumer_exists(world):
    world.operator.call("WatchService/CreateConsumer", name="twice", filter=dict(all=True))
    return world.operator.failure("WatchService/CreateConsumer", name="twice", filter=dict(all=True))


@happens("TOO_MANY_CONSUMERS")
def too_many_consumers(world):
    def create(number):
        return world.full_of_consumers.start("WatchService/CreateConsumer", name=f"c{number}", filter=dict(all=True))
    for call in [create(number) for number in range(1000)]:
        call.result()
    return failure_of(create(1000).result)


@happens("CONSUMER_FENCED")
def consumer_fenced(world):
    world.operator.call("WatchService/CreateConsumer", name="taken", filter=dict(all=True))
    events, cursor = watch(world.operator, filter=None, consumer="taken")
    world.operator.call("WatchService/ResetConsumer", name="taken")
    found = world.operator.failure("WatchService/AckConsumer", name="taken", cursor=cursor)
    events.cancel()
    return found


def make_key(world, *scopes, name=None, **fields):
    """A caller with a new key, whose name it is."""
    name = name or world.id("key")
    made = world.operator.call("KeyService/CreateKey", key=dict(name=name, scopes=[f"KEY_SCOPE_{scope}" for scope in scopes],
                                                                **fields))
    client = StoreClient(world.address)
    client.metadata = [("authorization", f"Bearer {made.secret}")]
    client.name, client.secret = name, made.secret
    return client


@happens("KEY_MALFORMED")
def key_malformed(world):
    client = make_key(world, "MAIL_READ")
    client.metadata = [("authorization", f"Bearer {client.secret[:-1]}")]
    return client.failure("MessageService/ListMessages", account=ANN)


@happens("KEY_EXPIRED")
def key_expired(world):
    client = make_key(world, "MAIL_READ", expire_time=dict(seconds=int(time.time()) + 2))
    while True:
        try:
            client.call("MessageService/ListMessages", account=ANN)
        except grpc.RpcError as error:
            return failure_of(lambda error=error: raise_it(error))
        time.sleep(0.1)


def raise_it(error):
    raise error


@happens("KEY_REVOKED")
def key_revoked(world):
    client = make_key(world, "MAIL_READ")
    world.operator.call("KeyService/RevokeKey", key=client.name)
    return client.failure("MessageService/ListMessages", account=ANN)


@happens("KEY_CHANGED")
def key_changed(world):
    client = make_key(world, "MAIL_WATCH")
    events, _ = watch(client)
    world.operator.call("KeyService/UpdateKey", update_mask=dict(paths=["ip_ranges"]),
                        key=dict(name=client.name, ip_ranges=["127.0.0.0/8"]))
    return failure_of(lambda: list(events))


@happens("SCOPE_MISSING")
def scope_missing(world):
    found = make_key(world, "MAIL_READ").failure("MessageService/DeleteMessages", account=ANN, message_ids=[1])
    assert found.metadata["scope"] == "mail.delete", found
    return found


@happens("ADDRESS_NOT_ALLOWED")
def address_not_allowed(world):
    return make_key(world, "MAIL_READ", ip_ranges=["192.0.2.0/24"]).failure("MessageService/ListMessages", account=ANN)


@happens("KEY_RESTRICTED")
def key_restricted(world):
    return make_key(world, "ADMIN_READ", accounts=[ANN]).failure("AdminService/GetStatus")


@happens("KEY_EXCEEDED")
def key_exceeded(world):
    client = make_key(world, "ADMIN_WRITE", ip_ranges=["127.0.0.0/8"])
    return client.failure("KeyService/CreateKey", key=dict(name=world.id("key"), scopes=["KEY_SCOPE_ADMIN_WRITE"]))


@happens("KEY_NOT_FOUND")
def key_not_found(world):
    return world.operator.failure("KeyService/GetKey", key="none")


@happens("KEY_EXISTS")
def key_exists(world):
    make_key(world, "MAIL_READ", name="twice")
    return failure_of(lambda: make_key(world, "MAIL_READ", name="twice"))


@happens("CERTIFICATE_TAKEN")
def certificate_taken(world):
    make_key(world, "MAIL_READ", certificate_names=["desk.example.test"])
    return failure_of(lambda: make_key(world, "MAIL_READ", certificate_names=["desk.example.test"]))


@happens("RATE_LIMIT")
def rate_limit(world):
    client = make_key(world, "MAIL_READ", limits=dict(calls_per_second=1))
    client.call("MessageService/ListMessages", account=ANN)
    return failure_of(lambda: [client.call("MessageService/ListMessages", account=ANN) for _ in range(5)])


@happens("CONCURRENCY_LIMIT")
def concurrency_limit(world):
    client = make_key(world, "MAIL_WATCH", limits=dict(concurrent_calls=1))
    events, _ = watch(client)
    found = client.failure("WatchService/ListConsumers")
    events.cancel()
    return found


@happens("TOO_MANY_KEYS")
def too_many_keys(world):
    def create(number):
        return world.full_of_consumers.start("KeyService/CreateKey", key=dict(name=f"k{number}", scopes=[1]), timeout=120)
    for first in range(0, 10_000, 500):
        for call in [create(number) for number in range(first, first + 500)]:
            call.result()
    return failure_of(create(10_000).result)


@happens("NO_CREDENTIAL")
def no_credential(world):
    return world.stranger.failure("DirectoryService/ListDomains")


@happens("WRONG_ROLE")
def wrong_role(world):
    return world.smtp.failure("DirectoryService/ListDomains")


def waits_for_ever():
    """Requests of a caller that has not said all, until the call ends."""
    threading.Event().wait(60)
    yield from ()


# ---- Codes without a reason of their own


@happens("INVALID_ARGUMENT")
def invalid_argument(world):
    call = world.operator.channel.unary_unary("/mailstead.store.v1.DirectoryService/GetDomain")
    return failure_of(lambda: call(b"\xff\xff", metadata=world.operator.metadata, timeout=30))


@happens("NOT_FOUND")
def not_found(world):
    return world.stranger.failure("grpc.health.v1.Health/Check", service="no.such.Service")


@happens("OUT_OF_RANGE")
def out_of_range(world):
    address = world.account("short")
    world.deliver(address)
    [found] = world.operator.call("MessageService/ListMessages", account=address).messages
    return world.operator.failure("MessageService/FetchMessage", account=address, message_id=found.summary.message_id,
                                  read_offset=MEBIBYTE)


@happens("UNIMPLEMENTED")
def unimplemented(world):
    call = world.operator.channel.unary_unary("/DirectoryService/GetDomain")
    return failure_of(lambda: call(b"", metadata=world.operator.metadata, timeout=30))


@happens("UNAVAILABLE")
def unavailable(world):
    """A store that ends says so to who watches."""
    watch = world.ending.start("grpc.health.v1.Health/Watch", timeout=60)
    next(watch)
    world.end_it()
    return failure_of(lambda: list(watch))


@happens("CANCELLED")
def cancelled(world):
    call = world.operator.start("AdminService/VerifyMessages", account=ANN)
    call.cancel()
    return failure_of(lambda: list(call))


@happens("DEADLINE_EXCEEDED")
def deadline_exceeded(world):
    return failure_of(lambda: list(world.stranger.start("grpc.health.v1.Health/Watch", timeout=0.2)))


@happens("DATA_LOSS")
def data_loss(world):
    return world.damaged_message()


class ErrorsTest(StackCase):

    @classmethod
    def setUpClass(cls):
        cls.stacks = []
        def new_stack():
            stack = Stack()
            cls.addClassCleanup(stack.close)
            cls.stacks.append(stack)
            return stack
        cls.world = world = World(new_stack())
        cls.addClassCleanup(world.close)
        # One without secrets, backups and SRS, whose streams end soon.
        bare = new_stack()
        bare.add_stored(stream_time="1s", max_stream_time="2s", account_submissions=1)
        world.bare = StoreClient(bare.stored.address, bare.token("operator"))
        # One whose watchers have little time, and which has room for one of them.
        world.slow_store = slow = new_stack()
        slow.add_stored(watch_write_timeout="1s", max_watches=1)
        world.slow = StoreClient(slow.stored.address, slow.token("operator"),
                                 options=[("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536)])
        consumers = new_stack()
        consumers.add_stored()
        world.full_of_consumers = StoreClient(consumers.stored.address, consumers.token("operator"))
        leaving = new_stack()
        leaving.add_stored()
        world.leaving = StoreClient(leaving.stored.address, leaving.token("operator"))
        world.end_leaving = leaving.stored.terminate
        # One that keeps more free than there is.
        full = new_stack()
        full.add_stored(ready=False, min_free_bytes=1 << 50)
        world.full = StoreClient(full.stored.address, full.token("operator"))
        # One that ends.
        ending = new_stack()
        ending.add_stored()
        world.ending = StoreClient(ending.stored.address)
        world.end_it = ending.stored.terminate
        for client in (world.bare, world.full, world.ending, world.slow, world.full_of_consumers, world.leaving):
            cls.addClassCleanup(client.close)
        damaged = new_stack()
        world.damaged_message = lambda: cls.damage(damaged)

    @staticmethod
    def damage(stack):
        """Reads a message whose bytes were changed on disk."""
        stack.add_stored(backup_dir=made_folder(stack))
        stack.add_accounts("ann")
        client = StoreClient(stack.stored.address, stack.token("operator"))
        # Does not compress, and so lies in a blob.
        content = b"Subject: large\r\n\r\n" + b"\r\n".join(os.urandom(35).hex().encode() for _ in range(4000)) + b"\r\n"
        client.call("MessageService/DeliverMessage", content=content, envelope=dict(
            delivery_id="damaged-0123456789", reverse_path="", recipients=[dict(address=ANN)]))
        # What was in memory is on disk with it.
        client.call("BackupService/CreateBackup", name="flushed")
        stack.stored.terminate()
        blobs = [path for path in (stack.folder / "stored").rglob("*.blob") if path.stat().st_size]
        assert blobs, "there are no blobs"
        for path in blobs:
            bytes_ = bytearray(path.read_bytes())
            for at in range(len(bytes_) // 4, len(bytes_) * 3 // 4):
                bytes_[at] ^= 0xff
            path.write_bytes(bytes_)
        stack.stored.restart(ready=False)
        client.close()
        client = StoreClient(stack.stored.address, stack.token("operator"))
        try:
            return client.failure("MessageService/FetchMessage", account=ANN, message_id=1)
        finally:
            client.close()

    def check(self, name, code, after):
        failure = HAPPEN[name](self.world)
        self.assertEqual(code, failure.code, failure)
        if name not in ("CANCELLED", "DEADLINE_EXCEEDED"):
            # These two are the caller's own end of its call.
            self.assertEqual(name, failure.reason, failure)
        self.assertLess(len(failure.details), 6 * KIBIBYTE)
        if not after:
            self.assertIsNone(failure.retry, failure)
        elif after == "as told":
            self.assertIsNotNone(failure.retry, failure)
        else:
            self.assertEqual(seconds(after), failure.retry, failure)

    def test_every_reason_happens(self):
        for reason, (code, _, _, after) in rows("Reasons").items():
            with self.subTest(reason=reason):
                self.assertIn(reason, HAPPEN, "say how it happens")
                self.check(reason, code, after)

    def test_every_code_happens(self):
        codes = rows("Codes")
        self.assertEqual({code.name for code in grpc.StatusCode} - {"OK"}, set(codes))
        for code, (_, _, after) in codes.items():
            if code in NOT_TO_BE_MADE or code in BY_REASON:
                continue
            with self.subTest(code=code):
                self.check(code, code, after)

    def test_nothing_happens_that_no_row_tells(self):
        self.assertEqual(set(rows("Reasons")) | set(rows("Codes")) - NOT_TO_BE_MADE - BY_REASON, set(HAPPEN))


if __name__ == "__main__":
    unittest.main()
