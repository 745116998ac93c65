"""What an account may do ends in the sessions that are open when it is disabled, removed or renamed, or gets another
password: by the next command, within a second, on every front-end."""

import time
import unittest

from mailstead import pop3
from mailstead.process import wait_until
from mailstead.smtp import dot_stuff
from mailstead.stack import PASSWORD, SharedStackCase, StackCase

MAIL = b"Subject: ends\r\n\r\nHello\r\n"
# In which a front-end hears of it.
PROMISE = 1.0


def build(stack):
    stack.add_stored()
    for _ in range(2):
        stack.add_smtpd()
        stack.add_pop3d(allow_plaintext_auth=True)
    stack.smtpds = [server for server in stack.servers if server.program == "smtpd"]
    stack.pop3ds = [server for server in stack.servers if server.program == "pop3d"]
    stack.add_accounts("bystander")


class LoginEndsTest(SharedStackCase):

    @classmethod
    def build(cls, stack):
        build(stack)

    CHANGES = {
        "disable": lambda ctl, user: ctl.run("account", "set", user, "--disabled=yes"),
        "remove": lambda ctl, user: ctl.run("account", "remove", user, "--yes"),
        "rename": lambda ctl, user: ctl.run("account", "set", user, f"--address=new-{user}"),
        "password": lambda ctl, user: ctl.set_password(user, "another password"),
    }

    def change(self, name, user):
        self.CHANGES[name](self.stack.ctl, user)

    def test_submission_ends_by_the_next_command(self):
        for name in self.CHANGES:
            [user] = self.stack.add_accounts(f"smtp-{name}")
            sessions = [self.stack.submission(user, server=server) for server in self.stack.smtpds for _ in range(4)]
            bystander = self.stack.submission("bystander@example.test")
            # In the midst of a transaction, too.
            sessions[0].expect(250, f"MAIL FROM:<{user}>")
            self.change(name, user)
            time.sleep(PROMISE)
            commands = [f"RCPT TO:<{user}>", f"MAIL FROM:<{user}>", "MAIL FROM:<>", "NOOP"]
            for session, command in zip(sessions, commands + commands):
                with self.subTest(change=name, command=command):
                    reply = session.command(command)
                    self.assertEqual((421, "4.7.0"), (reply.code, reply.enhanced), reply)
                    self.assertTrue(session.at_end())
                    session.close()
            bystander.expect(250, "MAIL FROM:<bystander@example.test>")
            bystander.close()

    def test_the_store_itself_refuses_at_once(self):
        """Without the second that a front-end may take: no message of an ended login is stored."""
        for name in self.CHANGES:
            with self.subTest(change=name):
                [user] = self.stack.add_accounts(f"at-once-{name}")
                with self.stack.submission(user) as session:
                    session.expect(250, f"MAIL FROM:<{user}>")
                    session.expect(250, "RCPT TO:<bystander@example.test>")
                    session.expect(354, "DATA")
                    self.change(name, user)
                    session.send(dot_stuff(MAIL))
                    self.assertEqual(421, session.reply().code)
        self.assertEqual([], self.stack.fetch_all("bystander@example.test"))

    def test_pop3_ends_by_the_next_command(self):
        for name in self.CHANGES:
            for server in self.stack.pop3ds:
                with self.subTest(change=name, server=server.name):
                    [user] = self.stack.add_accounts(f"pop3-{name}-{server.name}")
                    self.stack.send(user, MAIL)
                    session = self.stack.pop3(user, server=server)
                    session.ok("DELE 1")
                    self.change(name, user)
                    time.sleep(PROMISE)
                    with self.assertRaises(pop3.Refused) as caught:
                        session.ok("QUIT")
                    self.assertEqual("AUTH", caught.exception.response_code, caught.exception.line)
                    self.assertTrue(session.at_end())
                    session.close()
                    if name == "password":
                        self.assertEqual(1, len(self.stack.fetch_all(user, password="another password")),
                                         "nothing was deleted")

    def test_a_fetch_is_refused_at_once(self):
        [user] = self.stack.add_accounts("fetch-at-once")
        self.stack.send(user, b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 2000)
        session = self.stack.pop3(user)
        self.change("password", user)
        with self.assertRaises(pop3.Refused) as caught:
            session.ok("RETR 1")
        self.assertEqual("AUTH", caught.exception.response_code, caught.exception.line)
        session.close()

    def test_the_maildrop_of_an_idle_session_is_free(self):
        [user] = self.stack.add_accounts("idle")
        session = self.stack.pop3(user)
        self.change("password", user)
        wait_until(lambda: self.stack.pop3(user, password="another password", server=self.stack.pop3ds[1]).quit() or True,
                   10, "another session gets in")
        session.close()

    def test_sessions_of_others_go_on(self):
        session = self.stack.pop3("bystander@example.test")
        for name in self.CHANGES:
            [user] = self.stack.add_accounts(f"other-{name}")
            self.change(name, user)
        self.stack.ctl.run("account", "set", "bystander@example.test", "--quota_bytes=1G")
        time.sleep(PROMISE)
        session.ok("NOOP")
        session.quit()


class LoginEndsOverRestartsTest(StackCase):

    def test_a_change_while_the_store_was_restarted_is_heard(self):
        stack = self.new_stack()
        build(stack)
        alice, bob = stack.add_accounts("alice", "bob")
        session, other = stack.submission(alice), stack.submission(bob)
        time.sleep(PROMISE)  # Both were asked about.
        stack.ctl.run("account", "set", alice, "--disabled=yes")
        stack.stored.kill()
        stack.stored.restart()
        for server in stack.smtpds + stack.pop3ds:
            server.wait_ready()
        time.sleep(PROMISE)
        self.assertEqual(421, session.command("NOOP").code)
        self.assertEqual(250, other.command("NOOP").code)
        session.close()
        other.close()


if __name__ == "__main__":
    unittest.main()
