"""Logins: caches that end at once, wrong passwords that are slowed, answers that tell nothing."""

import base64
import ctypes
import statistics
import threading
import time
import unittest

from mailstead import pop3
from mailstead.sasl import ScramClient
from mailstead.stack import PASSWORD, StackCase

IMPORTED = "imported pass word"
# OpenSSL makes no bcrypt.
IMPORTED_BCRYPT = "$2y$04$mailsteadmailsteadmaieg1/SUzVvGDq1nvt7P0btOxVn8TMbpve"


def argon2id_hash(password):
    """As the library that stored uses writes it."""
    secret, salt, encoded = password.encode(), b"mailstead salt", ctypes.create_string_buffer(200)
    size = ctypes.c_size_t
    error = ctypes.CDLL("libargon2.so.1").argon2id_hash_encoded(
        2, 1024, 1, secret, size(len(secret)), salt, size(len(salt)), size(32), encoded, size(len(encoded)))
    assert error == 0, error
    return encoded.value.decode()


class PasswordCase(StackCase):

    flags = {}

    def setUp(self):
        self.stack = stack = self.new_stack()
        stack.add_stored(**self.flags)
        stack.add_smtpd()
        for _ in range(2):
            stack.add_pop3d()
        self.pop3ds = [server for server in stack.servers if server.program == "pop3d"]
        self.user, self.other = stack.add_accounts("user", "other")

    def answer(self, user, password, **options):
        """"+OK" or the line of the refusal."""
        with self.stack.pop3(**options) as session:
            session.ok(f"USER {user}")
            reply = session.command(f"PASS {password}")
            if reply.startswith("+OK"):
                session.quit()
                return "+OK"
            return reply


class PasswordChangeTest(PasswordCase):

    flags = {"credential_cache_ttl": "1h"}

    def test_a_change_ends_the_cached_login_at_once(self):
        self.stack.secrets.add("a new one here")
        for server in self.pop3ds:
            self.assertEqual("+OK", self.answer(self.user, PASSWORD, server=server))
        self.stack.ctl.set_password(self.user, "a new one here")
        for server in self.pop3ds:
            self.assertIn("[AUTH]", self.answer(self.user, PASSWORD, server=server, source="127.0.0.9"))
            self.assertEqual("+OK", self.answer(self.user, "a new one here", server=server))
        with self.stack.submission() as session:
            self.assertEqual(535, session.login(self.user, PASSWORD).code)
            self.assertEqual(235, session.login(self.user, "a new one here").code)

    def test_disabling_ends_the_cached_login_at_once(self):
        self.assertEqual("+OK", self.answer(self.user, PASSWORD))
        self.stack.ctl.run("account", "set", self.user, "--disabled=yes")
        self.assertTrue(self.answer(self.user, PASSWORD).startswith("-ERR"))

    def test_removing_ends_the_cached_login_at_once(self):
        self.assertEqual("+OK", self.answer(self.user, PASSWORD))
        self.stack.ctl.run("account", "remove", self.user, "--yes")
        self.assertTrue(self.answer(self.user, PASSWORD).startswith("-ERR"))


class CacheTest(StackCase):

    def test_a_client_that_polls_costs_no_hashing(self):
        stack = self.new_stack()
        stack.add_stored(scram_iterations=2_000_000)
        stack.add_pop3d()
        [user] = stack.add_accounts("user")
        started = time.monotonic()
        stack.pop3(user, timeout=60).quit()
        first = time.monotonic() - started
        started = time.monotonic()
        for _ in range(5):
            stack.pop3(user).quit()
        again = (time.monotonic() - started) / 5
        print(f"first login {first * 1000:.0f} ms, the next {again * 1000:.0f} ms each")
        self.assertLess(again, first / 3)


class ManyLoginsTest(StackCase):

    def test_many_at_once_by_every_mechanism(self):
        """Many exchanges of several steps on one connection to the store: their answers may overtake one another."""
        stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd(max_connections_per_address=0, allow_plaintext_auth=True)
        stack.add_pop3d(max_connections_per_address=0, allow_plaintext_auth=True)
        users = stack.add_accounts(*[f"user{number}" for number in range(12)])
        errors, count = [], 30

        def work(user):
            try:
                for number in range(count):
                    mechanism = ("PLAIN", "LOGIN", "SCRAM-SHA-256")[number % 3]
                    with stack.submission(tls=None) as session:
                        self.log_in(session, mechanism, user, b"334 ", b"235 ")
                    with stack.pop3(tls=None) as session:
                        self.log_in(session, mechanism, user, b"+ ", b"+OK")
                        session.quit()
            except BaseException as error:  # pylint: disable=broad-except
                errors.append(repr(error))

        threads = [threading.Thread(target=work, args=(user,)) for user in users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual([], errors)
        self.assertFalse(any(thread.is_alive() for thread in threads), "some logins were never answered")

    def log_in(self, session, mechanism, user, challenge_mark, verdict_mark):
        scram = ScramClient(user, PASSWORD)
        answers = {"PLAIN": iter([f"\0{user}\0{PASSWORD}".encode()]),
                   "LOGIN": iter([user.encode(), PASSWORD.encode()])}.get(mechanism)
        session.send(f"AUTH {mechanism}\r\n".encode())
        while (line := session.line()).startswith(challenge_mark):
            challenge = base64.b64decode(line[len(challenge_mark):])
            session.send(base64.b64encode(next(answers) if answers else scram.step(challenge)) + b"\r\n")
        assert line.startswith(verdict_mark), line


class HashTest(PasswordCase):

    def test_imported_hashes_serve_until_the_password_is_set(self):
        self.stack.secrets.add(IMPORTED)
        hashes = {"sha512": self.openssl_hash("-6"), "sha256": self.openssl_hash("-5"),
                  "bcrypt": IMPORTED_BCRYPT, "argon2": argon2id_hash(IMPORTED),
                  "dovecot": "{sha512-crypt}" + self.openssl_hash("-6")}
        for name, text in hashes.items():
            with self.subTest(name):
                user = f"{name}@example.test"
                self.stack.ctl.run("account", "import", "-", input=f"{user} {text}\n")
                self.assertEqual("+OK", self.answer(user, IMPORTED))
                self.assertIn("[AUTH]", self.answer(user, "wrong", source="127.0.0.9"))
                with self.stack.submission() as session:
                    self.assertEqual(235, session.login(user, IMPORTED).code)
                self.stack.ctl.set_password(user, "set again")
                self.assertEqual("+OK", self.answer(user, "set again"))
                self.assertIn("[AUTH]", self.answer(user, IMPORTED, source="127.0.0.9"))
                self.assertEqual("+OK", self.scram(user, "set again"))

    def test_a_lock_mark_is_no_password(self):
        self.stack.secrets.add(IMPORTED)
        marks = {"star@example.test": "*", "bang@example.test": "!", "passwd@example.test": "x",
                 "locked@example.test": "!" + self.openssl_hash("-6")}
        lines = "".join(f"{user} {mark}\n" for user, mark in marks.items())
        self.stack.ctl.run("account", "import", "-", input="\ufeff" + lines)
        for number, (user, mark) in enumerate(marks.items()):
            for password in (mark, IMPORTED):
                self.assertIn("[AUTH]", self.answer(user, password, source=f"127.0.2.{number + 1}"), user)
            self.assertEqual("PASSWORD_KIND_NONE", self.stack.ctl.json("account", "show", user)["password_kind"])
        # An update takes the login away.
        self.assertEqual("+OK", self.answer(self.user, PASSWORD))
        self.stack.ctl.run("account", "import", "-", "--existing=update", input=f"{self.user} *\n")
        self.assertIn("[AUTH]", self.answer(self.user, PASSWORD, source="127.0.2.9"))

    def openssl_hash(self, kind):
        from mailstead.paths import tool
        from mailstead.process import run_tool
        return run_tool([tool("openssl"), "passwd", kind, "-stdin"], input=IMPORTED + "\n").stdout.decode().strip()

    def scram(self, user, password):
        with self.stack.pop3() as session:
            scram = ScramClient(user, password)
            session.send(b"AUTH SCRAM-SHA-256\r\n")
            challenge = None
            while True:
                line = session.line().decode()
                if not line.startswith("+ "):
                    if line.startswith("+OK"):
                        self.assertTrue(scram.server_is_genuine)
                        session.quit()
                        return "+OK"
                    return line
                challenge = base64.b64decode(line[2:])
                session.send(base64.b64encode(scram.step(challenge)) + b"\r\n")

    def test_every_mechanism_of_pop3(self):
        self.assertEqual("+OK", self.scram(self.user, PASSWORD))
        self.assertIn("[AUTH]", self.scram(self.user, "wrong"))
        with self.stack.pop3() as session:
            session.auth_plain(self.user, PASSWORD)
            session.quit()
        with self.stack.pop3() as session:
            session.send(b"AUTH LOGIN\r\n")
            for answer in (self.user, PASSWORD):
                self.assertTrue(session.line().startswith(b"+ "))
                session.send(base64.b64encode(answer.encode()) + b"\r\n")
            self.assertTrue(session.line().startswith(b"+OK"))
            session.quit()

    def test_cancelled_exchange(self):
        with self.stack.pop3() as session:
            session.send(b"AUTH PLAIN\r\n")
            self.assertTrue(session.line().startswith(b"+ "))
            self.assertTrue(session.command("*").startswith("-ERR"))
            session.login(self.user, PASSWORD)
            session.quit()
        with self.stack.submission() as session:
            self.assertEqual(334, session.command("AUTH PLAIN").code)
            self.assertEqual(501, session.command("*").code)
            self.assertEqual(235, session.login(self.user, PASSWORD).code)

    def test_the_text_is_the_same_whatever_is_wrong(self):
        self.stack.ctl.run("account", "add", "nopassword@example.test", "--no_password")
        answers = {self.answer(user, "wrong", source=f"127.0.1.{index}") for index, user in
                   enumerate((self.user, "nobody@example.test", "nobody@other.test", "nopassword@example.test"), 1)}
        self.assertEqual(1, len(answers), answers)
        self.assertIn("[AUTH]", answers.pop())
        replies = set()
        for user in (self.user, "nobody@example.test", "nobody@other.test"):
            with self.stack.submission() as session:
                replies.add(str(session.login(user, "wrong")))
        self.assertEqual(1, len(replies), replies)


class GuessingTest(PasswordCase):

    flags = dict(auth_failure_delay="100ms", auth_failures_before_delay=2, auth_max_delay="3s", auth_lockout_failures=8,
                 auth_network_lockout_failures=20)

    def test_wrong_passwords_are_slowed_across_front_ends(self):
        """The account is guessed from many addresses, through both pop3d: the store counts."""
        times = []
        for attempt in range(6):
            started = time.monotonic()
            line = self.answer(self.user, f"guess {attempt}", server=self.pop3ds[attempt % 2],
                               source=f"127.0.2.{attempt + 1}")
            times.append(time.monotonic() - started)
            self.assertIn("[AUTH]", line)
        print("answers to wrong passwords took", [f"{item:.2f}" for item in times])
        self.assertGreater(statistics.mean(times[-2:]), 0.3)
        # Who knows the password gets in; another account is not slowed.
        self.assertEqual("+OK", self.answer(self.user, PASSWORD, source="127.0.2.99"))
        started = time.monotonic()
        self.assertEqual("+OK", self.answer(self.other, PASSWORD, source="127.0.2.99"))
        self.assertLess(time.monotonic() - started, 1)

    def test_a_locked_out_address_learns_nothing(self):
        """It guesses until it is locked out; then right, wrong and unknown give one text."""
        address = "127.0.3.1"
        sessions = []
        for attempt in range(40):
            session = self.stack.pop3(source=address, timeout=60)
            session.ok(f"USER nobody{attempt}@example.test")
            session.send(b"PASS wrong\r\n")
            sessions.append(session)
        for session in sessions:
            self.assertTrue(session.line().startswith(b"-ERR"))
            session.close()
        answers, times = set(), []
        for user, password in ((self.user, PASSWORD), (self.user, "wrong"), ("nobody@example.test", "wrong")):
            started = time.monotonic()
            answers.add(self.answer(user, password, source=address, timeout=60))
            times.append(time.monotonic() - started)
        self.assertEqual(1, len(answers), answers)
        self.assertIn("[AUTH]", answers.pop())
        self.assertLess(max(times) - min(times), 1.0, times)
        self.assertEqual("+OK", self.answer(self.user, PASSWORD, source="127.0.3.2"))


class LoginDelayTest(StackCase):

    def test_a_login_too_soon_is_refused(self):
        stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd()
        stack.add_pop3d(login_delay="2s")
        [user] = stack.add_accounts("user")
        with stack.pop3() as session:
            self.assertIn("LOGIN-DELAY 2", [line[:13] for line in session.capa()])
        stack.pop3(user).quit()
        with self.assertRaises(pop3.Refused) as caught:
            stack.pop3(user)
        self.assertEqual("LOGIN-DELAY", caught.exception.response_code, caught.exception.line)


if __name__ == "__main__":
    unittest.main()
