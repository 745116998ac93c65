"""Python's poplib."""

import poplib
import unittest
from unittest import mock

import corpus
from case import ClientCase
from mailstead.trace import strip_trace


# poplib gives up on lines of more than 2,048 bytes; the corpus has longer ones.
@mock.patch.object(poplib, "_MAXLINE", 100_000)
class PoplibTest(ClientCase):

    def connect(self, route):
        if route.tls == "implicit":
            return poplib.POP3_SSL(self.target.host, route.port, context=self.target.context(), timeout=60)
        pop3 = poplib.POP3(self.target.host, route.port, timeout=60)
        if route.tls:
            pop3.stls(context=self.target.context())
        return pop3

    def log_in(self, pop3):
        pop3.user(self.target.address)
        pop3.pass_(self.target.password)

    @staticmethod
    def joined(lines):
        return b"".join(line + b"\r\n" for line in lines)

    def test_corpus_by_every_route(self):
        self.place(corpus.CORPUS)
        for route in self.target.fetching_routes():
            with self.subTest(route=str(route)):
                pop3 = self.connect(route)
                self.log_in(pop3)
                count, size = pop3.stat()
                self.assertEqual(len(corpus.CORPUS), count)
                got = []
                for number in range(1, count + 1):
                    _, lines, octets = pop3.retr(number)
                    got.append(self.joined(lines))
                    # poplib counts the dots that stuffing added out again, and the line ends in.
                    self.assertEqual(len(got[-1]), octets)
                pop3.quit()
                self.assertEqual(size, sum(map(len, got)))
                self.assert_fetched(corpus.CORPUS, got)

    def test_utf8_mailbox(self):
        self.target.place(corpus.UTF8)
        pop3 = self.connect(self.target.route("pop3s"))
        pop3.utf8()
        # poplib knows UTF8 and yet can only write ASCII by default.
        pop3.encoding = "utf-8"
        pop3.user(self.target.utf8_address)
        pop3.pass_(self.target.password)
        _, lines, _ = pop3.retr(1)
        pop3.dele(1)
        pop3.quit()
        self.assert_same(corpus.UTF8.content, strip_trace(self.joined(lines)).content, "utf8")

    def test_every_method(self):
        stored = self.place(corpus.CORPUS[:3])
        for route in self.target.fetching_routes():
            with self.subTest(route=str(route)):
                pop3 = self.connect(route)
                before = pop3.capa()
                for capability in ("TOP", "UIDL", "USER", "SASL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING",
                                   "EXPIRE", "UTF8", "LANG", "IMPLEMENTATION"):
                    self.assertIn(capability, before)
                self.log_in(pop3)
                self.assertEqual(set(before) - {"STLS", "SASL"}, set(pop3.capa()) - {"STLS", "SASL"})
                self.assertEqual([f"{index} {len(raw)}".encode() for index, raw in enumerate(stored, 1)],
                                 pop3.list()[1])
                self.assertTrue(pop3.list(2).endswith(f"2 {len(stored[1])}".encode()))
                uidl = [line.split(b" ")[1] for line in pop3.uidl()[1]]
                self.assertEqual(3, len(set(uidl)))
                self.assertTrue(pop3.uidl(3).endswith(b"3 " + uidl[2]))
                header, _, body = stored[0].partition(b"\r\n\r\n")
                self.assertEqual(header + b"\r\n\r\n", self.joined(pop3.top(1, 0)[1]))
                first_line = body.split(b"\r\n")[0] + b"\r\n"
                self.assertEqual(header + b"\r\n\r\n" + first_line, self.joined(pop3.top(1, 1)[1]))
                self.assertEqual(stored[0], self.joined(pop3.top(1, 1_000_000)[1]))
                self.assertTrue(pop3.noop().startswith(b"+OK"))
                pop3.dele(1)
                self.assertEqual(2, pop3.stat()[0])
                with self.assertRaises(poplib.error_proto):
                    pop3.retr(1)
                pop3.rset()
                self.assertEqual(3, pop3.stat()[0])
                for number in (0, 4, 999):
                    with self.assertRaises(poplib.error_proto):
                        pop3.retr(number)
                with self.assertRaises(poplib.error_proto):
                    poplib.POP3.apop(pop3, self.target.address, "x")
                pop3.quit()

    def test_delete(self):
        stored = self.place(corpus.CORPUS[:3])
        pop3 = self.connect(self.target.route("pop3-stls"))
        self.log_in(pop3)
        pop3.dele(2)
        pop3.quit()
        self.assertEqual([stored[0], stored[2]], self.target.take_all())

    def test_connection_that_drops_deletes_nothing(self):
        stored = self.place(corpus.CORPUS[:2])
        pop3 = self.connect(self.target.route("pop3s"))
        self.log_in(pop3)
        pop3.dele(1)
        pop3.close()
        self.assertEqual(stored, self.target.take_all())

    def test_large_message(self):
        self.place([corpus.large()])
        pop3 = self.connect(self.target.route("pop3s"))
        self.log_in(pop3)
        _, lines, _ = pop3.retr(1)
        pop3.dele(1)
        pop3.quit()
        self.assert_fetched([corpus.large()], [self.joined(lines)])

    def test_login_without_tls_only_where_it_is_allowed(self):
        pop3 = poplib.POP3(self.target.host, self.target.pop3_port, timeout=60)
        self.assertEqual(self.target.plaintext_auth, "USER" in pop3.capa())
        if self.target.plaintext_auth:
            self.log_in(pop3)
            pop3.quit()
        else:
            with self.assertRaises(poplib.error_proto):
                self.log_in(pop3)
            pop3.close()


if __name__ == "__main__":
    unittest.main()
