"""A client that vanishes without a word, as by power or network: its session ends, and its maildrop is free, within
--peer_timeout; behind the load balancer of compose too, which answers the probes of the front-ends itself.
"""

import pathlib
import re
import shutil
import time
import unittest

from mailstead import own_network
from mailstead.pop3 import Refused
from mailstead.process import Process, wait_until
from mailstead.stack import PASSWORD, StackCase

PEER_TIMEOUT = 6
# What a busy machine may add.
SLACK = 10
LARGE = b"Subject: large\r\n\r\n" + b"x" * 76 + b"\r\n" + (b"y" * 76 + b"\r\n") * 200_000

# Logs in, says what is in `commands`, and stays; what comes back it reads little by little.
POP3_CLIENT = """
import socket, sys, time
host, port, user, password, commands = sys.argv[1:]
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
connection.connect((host, int(port)))
lines = connection.makefile("rb")
for command in (None, "USER " + user, "PASS " + password):
    if command:
        connection.sendall(command.encode() + b"\\r\\n")
    assert lines.readline().startswith(b"+OK"), command
connection.sendall(commands.encode().decode("unicode_escape").encode())
print("in")
try:
    while True:
        time.sleep(0.2)
        if commands:
            connection.recv(4096)
except OSError:
    time.sleep(3600)
"""

SMTP_CLIENT = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
lines = connection.makefile("rb")
assert lines.readline().startswith(b"220")
connection.sendall(b"MAIL FROM:<a@elsewhere.test>\\r\\n")
lines.readline()
print("in")
time.sleep(3600)
"""


def setUpModule():
    own_network.enter()


class VanishedClientTest(StackCase):

    def setUp(self):
        self.stack = self.new_stack()
        self.stack.add_stored()
        self.cable = own_network.Cable()
        self.addCleanup(self.cable.close)
        self.clients = []
        self.addCleanup(lambda: [self.end(client) for client in self.clients])

    def end(self, client):
        client.kill()
        client.wait()
        client.stdout.close()

    def client(self, script, *arguments):
        client = self.cable.client(script, own_network.SERVER, *arguments)
        self.clients.append(client)
        self.assertEqual("in\n", client.stdout.readline())
        return client

    def logs_in(self, user, server):
        try:
            self.stack.pop3(user, server=server).close()
            return True
        except Refused as refused:
            self.assertEqual("IN-USE", refused.response_code, refused.line)
            return False

    def assert_free_in_time(self, users, server, cut):
        for user in users:
            wait_until(lambda: self.logs_in(user, server), PEER_TIMEOUT + SLACK, f"{user} is free again")
            self.assertLess(time.monotonic() - cut, PEER_TIMEOUT + SLACK)

    def test_its_session_ends_and_its_maildrop_is_free(self):
        quiet, reading = self.stack.add_accounts("quiet", "reading")
        smtpd = self.stack.add_smtpd(mx_listen="0.0.0.0:0", peer_timeout=f"{PEER_TIMEOUT}s")
        pop3d = self.stack.add_pop3d(pop3_listen="0.0.0.0:0", allow_plaintext_auth=True,
                                     peer_timeout=f"{PEER_TIMEOUT}s")
        self.stack.send(reading, LARGE)
        self.client(POP3_CLIENT, pop3d.ports["pop3"], quiet, PASSWORD, "")
        # One that is probed, and one that has data on its way to it.
        self.client(POP3_CLIENT, pop3d.ports["pop3"], reading, PASSWORD, "RETR 1\\r\\n")
        self.client(SMTP_CLIENT, smtpd.ports["mx"])
        # Twice the time in silence is no reason for anything.
        time.sleep(2 * PEER_TIMEOUT)
        self.assertFalse(self.logs_in(quiet, pop3d))

        self.cable.cut()
        cut = time.monotonic()
        self.assert_free_in_time((quiet, reading), pop3d, cut)
        smtpd.process.wait_for_event("session_closed", client=own_network.CLIENT, reason="vanished",
                                     timeout=PEER_TIMEOUT + SLACK)

    def test_behind_the_load_balancer(self):
        haproxy = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        self.assertIsNotNone(haproxy, "haproxy is not installed: scripts/test does it")
        [user] = self.stack.add_accounts("user")
        pop3d = self.stack.add_pop3d(pop3_listen="127.0.0.2:0", allow_plaintext_auth=True,
                                     proxy_networks="127.0.0.2/32,127.0.0.1/32")
        config = self.stack.folder / "haproxy.cfg"
        config.write_text(balancer_config(pop3d.ports["pop3"]))
        balancer = Process("haproxy", [haproxy, "-db", "-f", config])
        self.addCleanup(balancer.kill)
        wait_until(lambda: self.listens(1100), what="haproxy listens")
        self.client(POP3_CLIENT, 1100, user, PASSWORD, "")
        plain = self.stack.add_pop3d("pop3d-plain")
        time.sleep(PEER_TIMEOUT)
        self.assertFalse(self.logs_in(user, plain))

        self.cable.cut()
        self.assert_free_in_time((user,), plain, time.monotonic())

    def listens(self, port):
        return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
                   for name in ("tcp", "tcp6")
                   for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:])


def balancer_config(port):
    """What deploy/haproxy/haproxy.cfg says of connections, with shorter times and without Docker's names."""
    whole = (pathlib.Path(__file__).parents[2] / "deploy/haproxy/haproxy.cfg").read_text()
    settings = re.search(r"^defaults mail\n((?:  .*\n|\n)*)", whole, re.MULTILINE).group(1)
    settings = re.sub(r" (?:init-addr none|resolvers docker)", "", settings)
    settings = re.sub(r"^  default-server check.*\n", "", settings, flags=re.MULTILINE)
    bind = re.search(r"^  bind :110 (.*)$", whole, re.MULTILINE).group(1)
    text = (f"global\n  maxconn 100\ndefaults mail\n{settings}"
            f"frontend pop3\n  bind :1100 {bind}\n  default_backend pop3\n"
            f"backend pop3\n  server pop3d 127.0.0.2:{port}\n")
    for real, short in (("90s", f"{PEER_TIMEOUT}s"), ("30s", "2s"), ("15s", "1s")):
        # Of what watches clients only.
        text = re.sub(rf"((?:tcp-ut|tcpka-idle|tcpka-intvl) ){real}", rf"\g<1>{short}", text)
    return text


if __name__ == "__main__":
    unittest.main()
