"""What every method of the store's API has in common: compression, traces, deadlines, credentials, and what gRPC itself says, as
docs/store-api.md and docs/store-api-errors.md have it."""

import gzip
import os
import pathlib
import re
import socket
import time
import unittest
import zlib

import grpc

from mailstead.ctl import Mailctl
from mailstead.http2 import Http2
from mailstead.process import wait_until
from mailstead.stack import SharedStackCase
from mailstead.store_client import Failure, StoreClient, failure_of, message

from test_api_errors import ANN, MAIL, MEBIBYTE, rows

LIST_DOMAINS = "/mailstead.store.v1.DirectoryService/ListDomains"
GET_DOMAIN = "/mailstead.store.v1.DirectoryService/GetDomain"
# Codes of gRPC.
OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 0, 3, 8, 12


def resident_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) << 10


class HabitsCase(SharedStackCase):

    @classmethod
    def build(cls, stack):
        stack.add_stored()
        stack.add_accounts("ann")
        cls.operator = StoreClient(stack.stored.address, stack.token("operator"))
        cls.addClassCleanup(cls.operator.close)

    @property
    def authorization(self):
        return ("authorization", "Bearer " + self.stack.token("operator").read_text(encoding="ascii").strip())

    def http2(self):
        connection = Http2(self.stack.stored.address)
        self.addCleanup(connection.close)
        return connection


class CompressionTest(HabitsCase):

    @classmethod
    def build(cls, stack):
        super().build(stack)
        for number in range(60):
            stack.ctl.add_domain(f"domain-{number}.test")

    def ask(self, path=LIST_DOMAINS, content=b"", packed=False, encoding=None, accept=None):
        headers = [self.authorization]
        headers += [("grpc-encoding", encoding)] if encoding else []
        headers += [("grpc-accept-encoding", accept)] if accept else []
        return self.http2().request(path, content, packed, headers)

    def domains(self, answer, unpack=None):
        """The names in an answer; `unpack`: it has to come compressed."""
        self.assertEqual(OK, answer.status, answer.headers)
        [(packed, content)] = answer.messages()
        self.assertEqual(unpack is not None, packed)
        if unpack:
            content = unpack(content)
        listed = message("mailstead.store.v1.ListDomainsResponse").FromString(content)
        return [domain.name for domain in listed.domains]

    def test_answers_come_as_requests_do(self):
        plain = self.domains(self.ask())
        self.assertEqual(61, len(plain))
        all_known = "identity, deflate, gzip"
        # Also where the request itself was too small to get smaller.
        self.assertEqual(plain, self.domains(self.ask(encoding="gzip", accept=all_known), gzip.decompress))
        self.assertEqual(plain, self.domains(self.ask(encoding="deflate", accept=all_known), zlib.decompress))
        # Who does not ask, or would not understand it, gets it as it is.
        self.assertEqual(plain, self.domains(self.ask(accept=all_known)))
        self.assertEqual(plain, self.domains(self.ask(encoding="gzip", accept="identity")))
        self.assertEqual(plain, self.domains(self.ask(encoding="gzip")))

    def test_what_is_small_goes_as_it_is(self):
        name = b"\x0a\x0cexample.test"
        answer = self.ask(GET_DOMAIN, name, encoding="gzip", accept="gzip")
        self.assertEqual(OK, answer.status, answer.headers)
        self.assertFalse(answer.messages()[0][0])

    def test_a_request_may_come_compressed(self):
        name = b"\x0a\x0cexample.test"
        for encoding, content in (("gzip", gzip.compress(name)), ("deflate", zlib.compress(name))):
            answer = self.ask(GET_DOMAIN, content, packed=True, encoding=encoding)
            self.assertEqual(OK, answer.status, answer.headers)
            self.assertIn(b"example.test", answer.data)

    def test_what_is_not_what_it_says_is_refused(self):
        good = gzip.compress(b"\x0a\x0cexample.test")
        for content in (b"", b"\x1f\x8b", good[:-1], good[:-8] + bytes(8), good + b"x", good + good, os.urandom(100),
                        zlib.compress(b"x")):
            answer = self.ask(GET_DOMAIN, content, packed=True, encoding="gzip")
            self.assertEqual(INVALID_ARGUMENT, answer.status, (content, answer.headers))

    def test_another_encoding_is_not_taken_for_a_message(self):
        name = b"\x0a\x0cexample.test"
        for encoding in ("br", "identity", None):
            answer = self.ask(GET_DOMAIN, name, packed=True, encoding=encoding)
            self.assertNotEqual(OK, answer.status, (encoding, answer.headers))
        # What says that it could be packed and is not is a message.
        self.assertEqual(OK, self.ask(GET_DOMAIN, name, encoding="br").status)

    def test_a_bomb_is_bounded(self):
        """Some hundred kilobytes that would be 400 MB."""
        packer = zlib.compressobj(9, wbits=31)
        bomb = b"".join(packer.compress(bytes(MEBIBYTE)) for _ in range(400)) + packer.flush()
        self.assertLess(len(bomb), MEBIBYTE)
        before = resident_bytes(self.stack.stored.process.pid)
        for _ in range(5):
            self.assertEqual(RESOURCE_EXHAUSTED, self.ask(content=bomb, packed=True, encoding="gzip").status)
        # Who has no token may send less still.
        answer = self.http2().request("/grpc.health.v1.Health/Check", bomb, True, [("grpc-encoding", "gzip")])
        self.assertEqual(RESOURCE_EXHAUSTED, answer.status, answer.headers)
        self.assertLess(resident_bytes(self.stack.stored.process.pid) - before, 64 * MEBIBYTE)

    def test_a_library_that_compresses(self):
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            client = StoreClient(self.stack.stored.address, self.stack.token("operator"), compression=compression)
            self.addCleanup(client.close)
            delivery_id = f"packed-{compression.name}-0123456789"
            content = MAIL + b"the same again\r\n" * 50_000
            client.call("MessageService/DeliverMessageStream",
                        dict(envelope=dict(delivery_id=delivery_id, recipients=[dict(address=ANN)])), dict(content=content),
                        dict(last=True))
            listed = client.call("MessageService/ListMessages", account=ANN).messages
            pieces = client.call("MessageService/FetchMessage", account=ANN, message_id=listed[-1].summary.message_id)
            self.assertTrue(b"".join(piece.content for piece in pieces).endswith(content))


class TraceTest(HabitsCase):

    TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
    GOOD = f"00-{TRACE}-00f067aa0ba902b7-01"

    def deliver(self, delivery_id, *metadata):
        self.operator.call("MessageService/DeliverMessage", content=MAIL, metadata=metadata,
                           envelope=dict(delivery_id=delivery_id, recipients=[dict(address=ANN)]))
        return self.stack.stored.process.wait_for_event("delivered", delivery=delivery_id)

    def test_trace_and_session_stand_in_the_log(self):
        line = self.deliver("traced-0123456789abc", ("traceparent", self.GOOD), ("mailstead-session", "desk-7"))
        self.assertEqual((self.TRACE, "desk-7"), (line["trace"], line["session"]))
        self.operator.call("DirectoryService/CreateDomain", domain=dict(name="traced.test"),
                           metadata=[("traceparent", self.GOOD)])
        line = self.stack.stored.process.wait_for_event("audit", target="domain traced.test")
        self.assertEqual(self.TRACE, line["trace"])

    def test_a_value_that_is_none_is_ignored(self):
        """https://www.w3.org/TR/trace-context/ section 3.2: as if it had not come."""
        for number, metadata in enumerate(([("traceparent", "00-x-y-01")], [("traceparent", self.GOOD.upper())],
                                           [("traceparent", self.GOOD), ("traceparent", self.GOOD)], [])):
            line = self.deliver(f"untraced-{number}-0123456789", *metadata)
            self.assertNotIn("trace", line)

    def test_a_session_that_could_be_something_else_is_refused(self):
        for session in ("a b", "x" * 129):
            found = self.operator.failure("DirectoryService/ListDomains", metadata=[("mailstead-session", session)])
            self.assertEqual(("INVALID_ARGUMENT", ["session_id"]), (found.code, found.fields))


class CredentialTest(HabitsCase):

    def test_a_token_file_with_a_line_end(self):
        token = self.stack.token("operator").read_text(encoding="ascii").strip()
        for content in (token, f"{token}\n", f"{token}\r\n", f"{token} \n\n"):
            path = self.stack.folder / "copy.token"
            path.write_bytes(content.encode())
            self.assertEqual(0, Mailctl(self.stack.stored.address, path).raw("status").returncode, repr(content))
        answer = self.http2().request(LIST_DOMAINS, headers=[("authorization", f"Bearer {token} \t")])
        self.assertEqual(OK, answer.status, answer.headers)

    def test_the_store_names_itself(self):
        status = self.operator.call("AdminService/GetStatus")
        self.assertRegex(status.version, r"\d")
        self.assertTrue(status.incarnation)
        before = status.incarnation
        self.stack.stored.terminate()
        self.stack.stored.restart()
        again = wait_until(lambda: self.try_status(), 20, "the store is back")
        self.assertEqual(before, again.incarnation)

    def try_status(self):
        try:
            return self.operator.call("AdminService/GetStatus", timeout=2)
        except grpc.RpcError:
            return None

    def test_reflection_is_for_known_callers_in_both_versions(self):
        for version in ("v1", "v1alpha"):
            method = f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
            [answer] = self.operator.call(method, dict(list_services=""))
            names = {service.name for service in answer.list_services_response.service}
            self.assertLessEqual({"mailstead.store.v1.MessageService", f"grpc.reflection.{version}.ServerReflection",
                                  "grpc.health.v1.Health"}, names)
            for name in names:
                [answer] = self.operator.call(method, dict(file_containing_symbol=name))
                self.assertTrue(answer.file_descriptor_response.file_descriptor_proto, name)
            stranger = StoreClient(self.stack.stored.address)
            self.addCleanup(stranger.close)
            self.assertEqual("NO_CREDENTIAL", stranger.failure(method, dict(list_services="")).reason)

    def test_each_service_has_a_state(self):
        stranger = StoreClient(self.stack.stored.address)
        self.addCleanup(stranger.close)
        [answer] = self.operator.call("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", dict(list_services=""))
        ours = [service.name for service in answer.list_services_response.service if service.name.startswith("mailstead.")]
        self.assertIn("mailstead.store.v1.QueueService", ours)
        for name in ("", *ours):
            self.assertEqual(1, stranger.call("grpc.health.v1.Health/Check", service=name).status, name)
            watch = stranger.start("grpc.health.v1.Health/Watch", service=name)
            self.assertEqual(1, next(watch).status)
            watch.cancel()


class TransportTest(HabitsCase):
    """The table of docs/store-api-errors.md of what gRPC says itself."""

    def failed(self, code, attempt):
        found = failure_of(attempt)
        self.assertEqual((code, None), (found.code, found.reason), found)
        return found

    def test_every_row_happens(self):
        happen = {
            "nothing listens there": self.nothing_listens,
            "the connection was lost": self.connection_lost,
            "the caller's own deadline": self.own_deadline,
            "a request of more than 6 MiB": self.huge_request,
            "an answer of more than the caller takes": self.large_answer,
            "metadata of more than 8 KiB": self.much_metadata,
        }
        told = rows("What gRPC says itself")
        self.assertEqual(len(told), len(happen))
        for what, (code, _) in told.items():
            with self.subTest(what=what):
                [happens] = [function for begin, function in happen.items() if what.startswith(begin)]
                happens(code)

    def nothing_listens(self, code):
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        client = StoreClient(f"127.0.0.1:{port}")
        self.addCleanup(client.close)
        self.failed(code, lambda: client.call("AdminService/GetStatus"))

    def connection_lost(self, code):
        stack = self.new_stack()
        stack.add_stored()
        client = StoreClient(stack.stored.address)
        self.addCleanup(client.close)
        watch = client.start("grpc.health.v1.Health/Watch")
        next(watch)
        stack.stored.kill()
        self.failed(code, lambda: list(watch))

    def own_deadline(self, code):
        self.failed(code, lambda: list(self.operator.start("grpc.health.v1.Health/Watch", timeout=0.2)))

    def huge_request(self, code):
        self.failed(code, lambda: self.operator.call("DirectoryService/GetDomain", name="x" * (7 * MEBIBYTE)))

    def large_answer(self, code):
        client = StoreClient(self.stack.stored.address, self.stack.token("operator"),
                             [("grpc.max_receive_message_length", 10)])
        self.addCleanup(client.close)
        self.failed(code, lambda: client.call("DirectoryService/ListDomains"))

    def much_metadata(self, code):
        self.failed(code, lambda: self.operator.call("DirectoryService/ListDomains", metadata=[("x-much", "x" * 20_000)]))

    def test_pings_are_welcome(self):
        connection = self.http2()
        for number in range(200):
            self.assertTrue(connection.ping(number))
        self.assertFalse(connection.goaway)

    def test_every_error_of_a_deadline_that_passes_leaves_the_store_well(self):
        for _ in range(50):
            try:
                self.operator.call("DirectoryService/ListDomains", timeout=0.0005)
            except grpc.RpcError as error:
                self.assertEqual("DEADLINE_EXCEEDED", Failure(error).code)
        self.operator.call("DirectoryService/ListDomains")


if __name__ == "__main__":
    unittest.main()
