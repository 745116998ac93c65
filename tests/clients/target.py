"""What the client tests talk to: a stack they start themselves, or one that runs already.

With MAILSTEAD_TEST_HOST in the environment nothing is started, and the tests use:

  MAILSTEAD_TEST_HOST              name or address
  MAILSTEAD_TEST_MX_PORT           default 25
  MAILSTEAD_TEST_SUBMISSION_PORT   default 587
  MAILSTEAD_TEST_SUBMISSIONS_PORT  default 465
  MAILSTEAD_TEST_POP3_PORT         default 110
  MAILSTEAD_TEST_POP3S_PORT        default 995
  MAILSTEAD_TEST_ADDRESS           an account; the tests delete all mail in it
  MAILSTEAD_TEST_UTF8_ADDRESS      a second account, with a local part that is not ASCII
  MAILSTEAD_TEST_PASSWORD          of both
  MAILSTEAD_TEST_CA_FILE           PEM of what signed the server's certificate, which must be valid for
                                   MAILSTEAD_TEST_HOST; without it certificates are not checked
  MAILSTEAD_TEST_SERVER_NAME       a DNS name in the certificate, for clients that look at no addresses in it;
                                   default MAILSTEAD_TEST_HOST
  MAILSTEAD_TEST_PLAINTEXT_AUTH    1 when login without TLS is allowed; otherwise it must be refused

smtpd must run with --check_from=false: the messages of corpus.py are from others than who sends them. The test files
share these two accounts, so run one file at a time against a running server:

  cd tests/clients && PYTHONPATH=../support /usr/bin/python3 -m unittest test_smtplib test_poplib ...
"""

import dataclasses
import os

from mailstead.certs import insecure_context
from mailstead.pop3 import Pop3
from mailstead.smtp import Smtp
from mailstead.stack import PASSWORD, Stack

import ssl


@dataclasses.dataclass(frozen=True)
class Route:
    """One way in or out: which port, which TLS ("", "starttls", "implicit"), and whether the client logs in."""
    name: str
    port: int
    tls: str
    login: bool

    def __str__(self):
        return self.name


@dataclasses.dataclass
class Target:
    host: str
    mx_port: int
    submission_port: int
    submissions_port: int
    pop3_port: int
    pop3s_port: int
    address: str
    utf8_address: str
    password: str
    ca_file: str
    server_name: str
    plaintext_auth: bool
    # The stack behind it, when the tests started it.
    stack: Stack = None

    @staticmethod
    def get():
        return Target.from_env() if "MAILSTEAD_TEST_HOST" in os.environ else Target.start()

    @staticmethod
    def from_env():
        def value(name, default=None):
            got = os.environ.get(f"MAILSTEAD_TEST_{name}", default)
            if got is None:
                raise AssertionError(f"MAILSTEAD_TEST_{name} is not set (see tests/clients/target.py)")
            return got
        return Target(host=value("HOST"), mx_port=int(value("MX_PORT", "25")),
                      submission_port=int(value("SUBMISSION_PORT", "587")),
                      submissions_port=int(value("SUBMISSIONS_PORT", "465")), pop3_port=int(value("POP3_PORT", "110")),
                      pop3s_port=int(value("POP3S_PORT", "995")), address=value("ADDRESS"),
                      utf8_address=value("UTF8_ADDRESS"), password=value("PASSWORD"), ca_file=value("CA_FILE", ""),
                      server_name=value("SERVER_NAME", value("HOST")),
                      plaintext_auth=value("PLAINTEXT_AUTH", "0") == "1")

    @staticmethod
    def start():
        stack = Stack()
        try:
            stack.add_stored()
            # The messages of corpus.py are from others than who sends them.
            stack.add_smtpd(allow_plaintext_auth=True, check_from=False)
            stack.add_pop3d(allow_plaintext_auth=True)
            address, utf8_address = stack.add_accounts("demo", "grüße")
        except BaseException:
            stack.show_logs()
            stack.close()
            raise
        smtp, pop3 = stack.smtpd.ports, stack.pop3d.ports
        return Target(host="127.0.0.1", mx_port=smtp["mx"], submission_port=smtp["submission"],
                      submissions_port=smtp["submissions"], pop3_port=pop3["pop3"], pop3s_port=pop3["pop3s"],
                      address=address, utf8_address=utf8_address, password=PASSWORD,
                      ca_file=str(stack.authority.cert), server_name="localhost", plaintext_auth=True, stack=stack)

    def close(self):
        if self.stack:
            self.stack.close()

    # --- ways in and out ---

    def sending_routes(self):
        routes = [Route("mx", self.mx_port, "", False),
                  Route("mx-starttls", self.mx_port, "starttls", False),
                  Route("submission-starttls", self.submission_port, "starttls", True),
                  Route("submissions", self.submissions_port, "implicit", True)]
        if self.plaintext_auth:
            routes.append(Route("submission-plain", self.submission_port, "", True))
        return routes

    def fetching_routes(self):
        routes = [Route("pop3-stls", self.pop3_port, "starttls", True),
                  Route("pop3s", self.pop3s_port, "implicit", True)]
        if self.plaintext_auth:
            routes.append(Route("pop3-plain", self.pop3_port, "", True))
        return routes

    def route(self, name):
        return next(route for route in [*self.sending_routes(), *self.fetching_routes()] if route.name == name)

    def sender(self, route, utf8=False):
        """Submission lets an account send only as itself; anybody may write to the MX."""
        if route.login:
            return self.utf8_address if utf8 else self.address
        return "отправитель@elsewhere.test" if utf8 else "sender@elsewhere.test"

    def recipient(self, utf8=False):
        return self.utf8_address if utf8 else self.address

    def context(self):
        return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else insecure_context()

    # --- the reference clients ---

    def place(self, message):
        """Puts a message into the mailbox, byte for byte."""
        with Smtp(self.mx_port, self.host) as session:
            session.deliver("sender@elsewhere.test", self.recipient(message.utf8), message.content,
                            options="SMTPUTF8 BODY=8BITMIME" if message.utf8 else "BODY=8BITMIME",
                            by_bdat=not message.content.endswith(b"\r\n"))
            session.quit()

    def pop3(self, utf8=False):
        session = Pop3(self.pop3s_port, self.host, tls="implicit", context=self.context(), server_name=self.host)
        if utf8:
            session.ok("UTF8")
        session.login(self.recipient(utf8), self.password)
        return session

    def take_all(self, utf8=False):
        """Every message of the mailbox, oldest first; the mailbox is empty afterwards."""
        return self.pop3(utf8).fetch_all()

    def empty(self):
        for utf8 in (False, True):
            session = self.pop3(utf8)
            count, _ = session.stat()
            for number in range(1, count + 1):
                session.dele(number)
            session.quit()
