"""mailstead.frontend.v1 at the real store, by hand: what a front-end of another version meets, and what a token that was
withdrawn is worth in a stream that is open."""

import importlib
import queue
import secrets
import time
import unittest

import google
import grpc
import mailstead
from mailstead.paths import REPOSITORY, tool
from mailstead.stack import Stack

from case import ProtoCase, ours, python_stubs

FRONTEND = "/mailstead.frontend.v1."
DEADLINE = 30


def served_revisions():
    """(oldest, newest), as common/store/revision.h has them."""
    text = (REPOSITORY / "common/store/revision.h").read_text(encoding="utf-8")

    def value(name):
        return int(text.split(f"{name} = ", 1)[1].split(";", 1)[0])
    return value("kOldestServedRevision"), value("kRevision")


class FrontendTest(ProtoCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.stack.add_stored()
        stubs = cls.stack.folder / "stubs"
        stubs.mkdir()
        python_stubs([tool("protoc")], stubs, [*ours("mailstead/store/v1"), *ours("mailstead/frontend/v1"),
                                               "google/rpc/status.proto", "google/rpc/error_details.proto"])
        # Packages of these names are there already.
        for package in (mailstead, google):
            package.__path__.append(str(stubs / package.__name__))
        cls.batch = importlib.import_module("mailstead.frontend.v1.batch_pb2")
        cls.maildrop = importlib.import_module("mailstead.frontend.v1.maildrop_pb2")
        cls.status = importlib.import_module("google.rpc.status_pb2")
        cls.details = importlib.import_module("google.rpc.error_details_pb2")
        cls.channel = grpc.insecure_channel(cls.stack.stored.address)
        cls.addClassCleanup(cls.channel.close)

    def credential(self, role="smtp", **metadata):
        token = self.stack.token(role).read_text(encoding="ascii").strip()
        return [("authorization", f"Bearer {token}"),
                *((name.replace("_", "-"), str(value)) for name, value in metadata.items())]

    def probe(self, revision, metadata=None):
        call = self.channel.unary_unary(FRONTEND + "BatchService/Probe", self.batch.ProbeRequest.SerializeToString,
                                        self.batch.ProbeResponse.FromString)
        return call(self.batch.ProbeRequest(revision=revision), timeout=DEADLINE,
                    metadata=self.credential() if metadata is None else metadata)

    def reason(self, error):
        """Of google.rpc.ErrorInfo."""
        [packed] = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
        info = self.details.ErrorInfo()
        for detail in self.status.Status.FromString(packed).details:
            if detail.Unpack(info):
                self.assertEqual("mailstead.store", info.domain)
                return info.reason
        return None

    def test_a_revision_that_is_served(self):
        oldest, newest = served_revisions()
        for role in ("smtp", "pop"):
            answer = self.probe(newest, self.credential(role))
            self.assertEqual((oldest, newest), (answer.oldest_revision, answer.newest_revision))

    def test_the_text_says_which_program_is_too_old(self):
        oldest, newest = served_revisions()
        for revision, reason, text in ((oldest - 1, "REVISION_TOO_OLD", "replace smtpd or pop3d by a newer one"),
                                       (newest + 1, "REVISION_TOO_NEW", "replace stored by a newer one")):
            for metadata, asked in ((self.credential(), revision),
                                    (self.credential(mailstead_revision=revision), newest)):
                with self.subTest(revision=revision, asked=asked):
                    with self.assertRaises(grpc.RpcError) as caught:
                        self.probe(asked, metadata)
                    self.assertEqual(grpc.StatusCode.FAILED_PRECONDITION, caught.exception.code())
                    self.assertEqual(reason, self.reason(caught.exception))
                    self.assertIn(text, caught.exception.details())

    def test_operators_and_strangers_are_no_front_ends(self):
        for metadata, code in ((self.credential("operator"), grpc.StatusCode.PERMISSION_DENIED),
                               ([], grpc.StatusCode.UNAUTHENTICATED)):
            with self.assertRaises(grpc.RpcError) as caught:
                self.probe(served_revisions()[1], metadata)
            self.assertEqual(code, caught.exception.code())

    def open_batch(self, role):
        """(send, answers): send(call) puts one call on the stream."""
        waiting = queue.Queue()
        call = self.channel.stream_stream(FRONTEND + "BatchService/Calls", self.batch.CallsRequest.SerializeToString,
                                          self.batch.CallsResponse.FromString)
        answers = call(iter(waiting.get, None), timeout=DEADLINE, metadata=self.credential(role))
        self.addCleanup(answers.cancel)
        self.addCleanup(waiting.put, None)
        return lambda one: waiting.put(self.batch.CallsRequest(calls=[one])), answers

    def call(self, number, method="LeaseService/RenewLease", request=None):
        request = request or self.maildrop.RenewLeaseRequest(lease_id=f"test-lease-{secrets.token_hex(8)}", holder="test")
        if hasattr(request, "ttl"):
            request.ttl.seconds = 30
        return self.batch.Call(call_id=number, method=f"mailstead.frontend.v1.{method}",
                               request=request.SerializeToString())

    def answer(self, answers):
        [one] = next(answers).answers
        return one

    def test_a_withdrawn_token_ends_in_a_stream_that_is_open(self):
        send, answers = self.open_batch("smtp")
        send(self.call(1))
        self.assertEqual((1, 0), (lambda one: (one.call_id, one.error.code))(self.answer(answers)))
        self.stack.token("smtp").write_text(f"{secrets.token_hex(32)}\n", encoding="ascii")
        time.sleep(1.5)  # The store looks at the file once a second.
        send(self.call(2))
        try:
            one = self.answer(answers)
            self.assertEqual((2, grpc.StatusCode.UNAUTHENTICATED.value[0]), (one.call_id, one.error.code))
        except grpc.RpcError as error:
            self.assertEqual(grpc.StatusCode.UNAUTHENTICATED, error.code())
        # The new one is good, in a stream of its own.
        send, answers = self.open_batch("smtp")
        send(self.call(3))
        self.assertEqual(0, self.answer(answers).error.code)

    def test_the_error_of_a_call_in_a_batch_is_its_own(self):
        send, answers = self.open_batch("smtp")
        for number, method in ((1, "MaildropService/ListMaildrop"), (2, "LeaseService/RenewLease"), (3, "Nothing/Such"),
                               (4, "LeaseService/RenewLease")):
            send(self.call(number, method))
        got = {}
        while len(got) < 4:
            got.update({one.call_id: one.error.code for one in next(answers).answers})
        self.assertEqual({1: grpc.StatusCode.PERMISSION_DENIED.value[0], 2: 0,
                          3: grpc.StatusCode.INVALID_ARGUMENT.value[0], 4: 0}, got)


if __name__ == "__main__":
    unittest.main()
