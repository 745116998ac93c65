"""Mail servers of others, from Debian: Postfix, Exim and OpenSMTPD, each on ports and in a folder of its own. They take mail
for `<name>.test` and pass it on to one host, and mail for example.test to another.

Postfix is installed; the other two, which cannot be beside it, are unpacked below build/tests. They insist on users of
their own, and OpenSMTPD on its places in the file system too: each sees files of ours there, in namespaces of its own. That
needs root.
"""

import pathlib
import shutil
import socket
import tempfile

from . import paths
from .ports import free_ports
from .process import Process, run_tool, wait_until
from .registries import debian_unpack

UNPACKED = paths.REPOSITORY / "build" / "tests" / "peers"
PACKAGES = ("exim4-daemon-light", "opensmtpd", "sasl2-bin")
USER, PASSWORD = "smarthost-user", "smarthost password"
LOCAL = "example.test"


class Peer:
    """`port` takes mail from everybody, `auth_port` from who has logged in. At its domain `refused` does not exist, and
    `later` is for later until `accept_later`. `auth_port` is there with TLS only."""

    name = ""
    # What its Received says of TLS.
    tls_word = b""
    # What Debian's programs can do.
    has_tls = True
    has_smtputf8 = True
    has_dsn = True

    def __init__(self, case, inner, outer, cert, key):
        """`inner`: the port on loopback that mail for its domain is passed on to; `outer`: the one for example.test."""
        debian_unpack(PACKAGES, UNPACKED)
        folder = tempfile.TemporaryDirectory(prefix=f"mailstead-{self.name.lower()}-")
        case.addClassCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        self.domain = f"{self.name.lower()}.test"
        self.inner, self.outer = inner, outer
        self.port, self.auth_port = free_ports(2)
        self.cert, self.key = self.folder / "tls.crt", self.folder / "tls.key"
        shutil.copy(cert, self.cert)
        shutil.copy(key, self.key)
        self.key.chmod(0o600)
        self.process = Process(self.name, self.prepare())
        case.addClassCleanup(self.stop)
        for port in (self.port, self.auth_port) if self.has_tls else (self.port,):
            wait_until(lambda: self._listens(port), what=f"{self.name}\n{self.process.tail()}")

    def _listens(self, port):
        if not self.process.running():
            raise AssertionError(f"{self.name} ended\n{self.process.tail()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def prepare(self):
        """Makes its files; gives the command that runs it in the foreground."""
        raise NotImplementedError

    def accept_later(self):
        raise NotImplementedError

    def stop(self):
        self.process.kill()

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def fill(self, name, template):
        values = {"DIR": self.folder, "DOMAIN": self.domain, "PORT": self.port, "AUTH_PORT": self.auth_port,
                  "INNER": self.inner, "OUTER": self.outer, "LOCAL": LOCAL, "USER": USER, "PASSWORD": PASSWORD,
                  "UNPACKED": UNPACKED}
        for key, value in values.items():
            template = template.replace(f"@{key}@", str(value))
        return self.write(name, template)

    def folders(self, *names, owner=None):
        for name in names:
            (self.folder / name).mkdir(parents=True)
            if owner:
                shutil.chown(self.folder / name, *owner)

    def in_a_namespace(self, program, users, mounts=()):
        """The command for a program that finds these users, each with a group, and folders of ours at these places."""
        for kind, line in (("passwd", "{name}:x:{id}:{id}::/nonexistent:/usr/sbin/nologin\n"), ("group", "{name}:x:{id}:\n")):
            added = "".join(line.format(name=name, id=number) for name, number in users.items())
            self.write(kind, pathlib.Path(f"/etc/{kind}").read_text() + added)
        script = "set -e\n" + "".join(f"mount --bind {self.folder}/{name} {place}\n"
                                      for name, place in (("passwd", "/etc/passwd"), ("group", "/etc/group"), *mounts))
        # All of its processes end with the shell, and that with unshare.
        return [paths.tool("unshare"), "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                script + f"{program}\nexit $?"]


class Postfix(Peer):
    name = "Postfix"
    tls_word = b"(using TLSv1.3 "

    def prepare(self):
        self.folders("etc/sasl", "queue")
        self.folders("data", owner=("postfix", "postfix"))
        self.fill("etc/main.cf", """
compatibility_level = 3.6
queue_directory = @DIR@/queue
data_directory = @DIR@/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
multi_instance_name = postfix-peer
multi_instance_enable = yes
myhostname = postfix.peer.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relay_domains = @DOMAIN@, @LOCAL@
transport_maps = inline:{ @DOMAIN@=smtp:[127.0.0.1]:@INNER@, @LOCAL@=smtp:[127.0.0.1]:@OUTER@ }
smtpd_recipient_restrictions = check_recipient_access texthash:@DIR@/access, permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_chain_files = @DIR@/tls.key, @DIR@/tls.crt
smtpd_tls_received_header = yes
smtp_tls_security_level = may
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = $myhostname
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 4s
local_header_rewrite_clients =
""")
        # A session ends with its first refusal, and each has a process of its own, which reads the table anew.
        self.fill("etc/master.cf", """
127.0.0.1:@PORT@ inet n - n - - smtpd -o max_use=1 -o smtpd_hard_error_limit=1
127.0.0.1:@AUTH_PORT@ inet n - n - - smtpd -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
smtp      unix  -       -       n       -       -       smtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
proxymap  unix  -       -       n       -       -       proxymap
postlog   unix-dgram n  -       n       -       1       postlogd
""")
        self.refuse(later=True)
        self.fill("etc/sasl/smtpd.conf", """pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: @DIR@/etc/sasl/db
mech_list: SCRAM-SHA-256 PLAIN LOGIN
""")
        done = run_tool([UNPACKED / "sasl2-bin/usr/sbin/saslpasswd2", "-p", "-c", "-f", self.folder / "etc/sasl/db",
                         "-u", "postfix.peer.test", USER], input=PASSWORD)
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        shutil.chown(self.folder / "etc/sasl/db", "postfix")
        return self.in_a_namespace(f"{paths.tool('postfix')} -c {self.folder}/etc start-fg", {})

    def refuse(self, later):
        lines = "refused@@DOMAIN@ 550 5.1.1 no such user at Postfix\n"
        self.fill("access", lines + ("later@@DOMAIN@ 450 4.7.1 come back later\n" if later else ""))

    def accept_later(self):
        self.refuse(later=False)


class Exim(Peer):
    name = "Exim"
    tls_word = b"esmtps "
    # Debian's default is not to offer it.
    has_dsn = False

    def prepare(self):
        user = {"Debian-exim": 2525}
        self.folders("spool", "log", owner=(2525, 2525))
        shutil.chown(self.key, 2525)
        self.write("later", "")
        config = self.fill("exim.conf", """
exim_path = @UNPACKED@/exim4-daemon-light/usr/sbin/exim4
keep_environment =
primary_hostname = exim.peer.test
spool_directory = @DIR@/spool
log_file_path = @DIR@/log/%slog
local_interfaces = 127.0.0.1
daemon_smtp_ports = @PORT@ : @AUTH_PORT@
deliver_drop_privilege = true
rfc1413_query_timeout = 0s
smtputf8_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = @DIR@/tls.crt
tls_privatekey = @DIR@/tls.key
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny recipients = refused@@DOMAIN@
       message = 550 5.1.1 no such user at Exim
  defer recipients = later@@DOMAIN@
        condition = ${if exists{@DIR@/later}}
        message = 451 4.7.1 come back later
  deny condition = ${if eq{$received_port}{@AUTH_PORT@}}
       !authenticated = *
  accept domains = @DOMAIN@ : @LOCAL@
begin routers
inner:
  driver = manualroute
  domains = @DOMAIN@
  route_list = * 127.0.0.1::@INNER@
  self = send
  transport = smtp
outer:
  driver = manualroute
  domains = @LOCAL@
  route_list = * 127.0.0.1::@OUTER@
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
begin retry
* * F,1h,2s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{@USER@}}{eq{$auth3}{@PASSWORD@}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{@USER@}}{eq{$auth2}{@PASSWORD@}}}}
  server_set_id = $auth1
""")
        program = UNPACKED / "exim4-daemon-light/usr/sbin/exim4"
        return self.in_a_namespace(f"{program} -C {config} -bdf -q2s", user)

    def accept_later(self):
        (self.folder / "later").unlink()


class OpenSmtpd(Peer):
    name = "OpenSMTPD"
    # Debian 12's offers STARTTLS and always fails in the handshake: its key is in another process, and OpenSSL 3 does not
    # ask there. As a client it can.
    has_tls = False
    has_smtputf8 = False

    def prepare(self):
        self.folders("spool", "run", "lib/opensmtpd/empty")
        self.write("later", f"later@{self.domain}\n")
        config = self.fill("smtpd.conf", """
pki peer cert "@DIR@/tls.crt"
pki peer key "@DIR@/tls.key"
table later file:@DIR@/later
table refused { "refused@@DOMAIN@" }
filter "later" phase rcpt-to match rcpt-to <later> reject "451 4.7.1 come back later"
filter "refused" phase rcpt-to match rcpt-to <refused> reject "550 5.1.1 no such user at OpenSMTPD"
filter "both" chain { "later", "refused" }
listen on 127.0.0.1 port @PORT@ hostname opensmtpd.peer.test tls pki peer filter "both"
action "inner" relay helo opensmtpd.peer.test host "smtp://127.0.0.1:@INNER@"
action "outer" relay helo opensmtpd.peer.test host "smtp://127.0.0.1:@OUTER@"
match from any for domain "@DOMAIN@" action "inner"
match from any for domain "@LOCAL@" action "outer"
""")
        mounts = (("spool", "/var/spool"), ("run", "/run"), ("lib", "/var/lib"))
        return self.in_a_namespace(f"{UNPACKED}/opensmtpd/usr/sbin/smtpd -F -f {config}",
                                   {"opensmtpd": 2526, "opensmtpq": 2527}, mounts)

    def accept_later(self):
        self.write("later", "nobody@nowhere.test\n")
        # It is set to this group where it is installed.
        done = run_tool([paths.tool("nsenter"), "--mount", "--target", self.process.pid, paths.tool("setpriv"), "--regid",
                         2527, "--clear-groups", UNPACKED / "opensmtpd/usr/sbin/smtpctl", "update", "table", "later"])
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
