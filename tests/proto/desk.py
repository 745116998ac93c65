"""A small client of mailstead.store.v1, as an application's author would write it.

    desk.py STORE TOKEN_FILE deliver DELIVERY_ID FROM TO    delivers standard input
    desk.py STORE TOKEN_FILE list ACCOUNT                   a line for each message: id, size, SHA-256, recipients
    desk.py STORE TOKEN_FILE fetch ACCOUNT ID               its bytes
    desk.py STORE TOKEN_FILE delete ACCOUNT ID...           how many there were

The stubs are made by Debian's python3-grpc-tools:

    python3 -m grpc_tools.protoc -I proto -I /usr/include --python_out=. --grpc_python_out=. \\
        mailstead/store/v1/message.proto mailstead/store/v1/parsed_message.proto google/rpc/status.proto
"""

import sys

import grpc

from mailstead.store.v1 import message_pb2, message_pb2_grpc

PIECE = 1 << 20
DEADLINE = 30


class Desk:
    def __init__(self, store, token):
        self.messages = message_pb2_grpc.MessageServiceStub(grpc.insecure_channel(store))
        self.credential = [("authorization", f"Bearer {token}")]

    def deliver(self, delivery_id, reverse_path, recipient, content):
        envelope = message_pb2.Envelope(delivery_id=delivery_id, reverse_path=reverse_path,
                                        recipients=[message_pb2.EnvelopeRecipient(address=recipient)])

        def pieces():
            yield message_pb2.DeliverMessageStreamRequest(envelope=envelope)
            for at in range(0, len(content), PIECE):
                yield message_pb2.DeliverMessageStreamRequest(content=content[at:at + PIECE])
            yield message_pb2.DeliverMessageStreamRequest(last=True)
        return self.messages.DeliverMessageStream(pieces(), timeout=DEADLINE, metadata=self.credential)

    def list(self, account):
        page_token = ""
        while True:
            page = self.messages.ListMessages(message_pb2.ListMessagesRequest(account=account, page_token=page_token),
                                              timeout=DEADLINE, metadata=self.credential)
            yield from (message.summary for message in page.messages)
            page_token = page.next_page_token
            if not page_token:
                return

    def fetch(self, account, message_id):
        request = message_pb2.FetchMessageRequest(account=account, message_id=message_id)
        pieces = self.messages.FetchMessage(request, timeout=DEADLINE, metadata=self.credential)
        return b"".join(piece.content for piece in pieces)

    def delete(self, account, message_ids):
        request = message_pb2.DeleteMessagesRequest(account=account, message_ids=message_ids)
        return self.messages.DeleteMessages(request, timeout=DEADLINE, metadata=self.credential).deleted_count


def main(store, token_file, verb, *words):
    with open(token_file, encoding="ascii") as file:
        desk = Desk(store, file.read().strip())
    try:
        if verb == "deliver":
            answer = desk.deliver(*words, sys.stdin.buffer.read())
            print(message_pb2.DeliverOutcome.Name(answer.outcome), answer.mailbox_count, answer.sha256.hex())
        elif verb == "list":
            for message in desk.list(words[0]):
                print(message.message_id, message.size_bytes, message.sha256.hex(), *message.recipients)
        elif verb == "fetch":
            sys.stdout.buffer.write(desk.fetch(words[0], int(words[1])))
        elif verb == "delete":
            print(desk.delete(words[0], map(int, words[1:])))
        else:
            sys.exit(f"unknown verb: {verb}")
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
