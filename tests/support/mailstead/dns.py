"""Real DNS servers on loopback: nsd with zones of the test's own, signed where it says so, unbound that validates
them, and forwarders that do to answers what bad networks do."""

import json
import pathlib
import socket
import struct
import subprocess
import tempfile
import threading

from . import paths
from .ports import free_port
from .process import Process, clean_environment, run_tool, wait_until

NOERROR, FORMERR, SERVFAIL, NXDOMAIN = 0, 1, 2, 3

_HEADER = struct.Struct("!HHHHHH")
_AD = 0x0020
_RD = 0x0100
_TC = 0x0200
_QR = 0x8000


def _question(name, qtype):
    labels = b"".join(bytes([len(label)]) + label for label in name.rstrip(".").encode().split(b".") if label)
    return _HEADER.pack(7, _RD, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", qtype, 1)


def _end_of_question(packet):
    at = _HEADER.size
    while packet[at]:
        at += 1 + packet[at]
    return at + 5


def ask(port, name, qtype=6, timeout=1.0):
    """The raw answer to one question over UDP; None when there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout)
        udp.connect(("127.0.0.1", port))
        try:
            udp.send(_question(name, qtype))
            return udp.recv(65535)
        except OSError:
            return None


def rcode(packet):
    return _HEADER.unpack_from(packet)[1] & 0xf if packet else None


def without_ad(query, answer):
    """A forwarder that takes the AD bit away, as many in homes and containers do."""
    flags = _HEADER.unpack_from(answer)[1] & ~_AD
    return answer[:2] + struct.pack("!H", flags) + answer[4:]


def error(code):
    """Answers with this code and the question, and nothing else: no OPT record either."""
    def answer_error(query, answer):
        number, flags = _HEADER.unpack_from(query)[:2]
        end = _end_of_question(query)
        return _HEADER.pack(number, flags | _QR | code, 1, 0, 0, 0) + query[_HEADER.size:end]
    return answer_error


def formerr_to_edns(query, answer):
    """A server from before 1999: whoever sends OPT gets FORMERR."""
    has_opt = _HEADER.unpack_from(query)[5] > 0
    return error(FORMERR)(query, answer) if has_opt else answer


def garbage(query, answer):
    """The right header and question; what follows is cut in the middle, but not said to be."""
    return answer[:_end_of_question(query) + 6]


def silence(query, answer):
    return None


class Forwarder:
    """Passes questions on to `upstream` over UDP; what comes back goes through `mangle(query, answer)`, which may say
    nothing (None). Answers nothing over TCP."""

    def __init__(self, case, upstream, mangle):
        self.port = free_port()
        self.queries = 0
        self.mangle = mangle
        self._upstream = upstream
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        case.addCleanup(self.stop)

    def _run(self):
        while True:
            query, client = self._socket.recvfrom(65535)
            if not query:
                return
            self.queries += 1
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.settimeout(10)
                udp.connect(("127.0.0.1", self._upstream))
                udp.send(query)
                answer = self.mangle(query, udp.recv(65535))
            if answer is not None:
                self._socket.sendto(answer, client)

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(15)
        self._socket.close()


def _tool(*words, cwd):
    done = run_tool(words, cwd=cwd)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.stderr.decode()}")
    return done.stdout.decode().strip()


class Zones:
    """Zone files in a folder of their own, and the keys that sign them."""

    def __init__(self, case):
        folder = tempfile.TemporaryDirectory(prefix="mailstead-dns-")
        case.addClassCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.names = []
        self.anchors = []

    def add(self, name, records, signed=False, valid=()):
        """`records`: lines of a zone file, below an apex that is there. Names in them are relative to the zone. `valid`: from
        and until when its signatures are, as YYYYMMDD."""
        text = (f"$ORIGIN {name}.\n$TTL 300\n"
                f"@ IN SOA ns.{name}. hostmaster.{name}. 1 3600 600 86400 60\n@ IN NS ns.{name}.\n"
                f"ns IN A 127.0.0.1\n{records}\n")
        file = self.folder / f"{name}.zone"
        file.write_text(text)
        if signed:
            key = _tool(paths.tool("ldns-keygen"), "-a", "ECDSAP256SHA256", "-k", name, cwd=self.folder)
            dates = ["-i", valid[0], "-e", valid[1]] if valid else []
            _tool(paths.tool("ldns-signzone"), *dates, "-o", name, "-f", file, file, key, cwd=self.folder)
            self.anchors.append(self.folder / f"{key}.key")
        self.names.append(name)

    def _edit(self, zone, owner, what, edit):
        """Gives the words of the one line that has `what` behind the owner's name, TTL and class to `edit`, and writes what
        that gives in its place."""
        file = self.folder / f"{zone}.zone"
        lines = file.read_text().splitlines()
        found = [number for number, line in enumerate(lines)
                 if line.split()[:1] == [f"{owner}."] and line.split()[3:3 + len(what)] == what]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} of {owner} {' '.join(what)} in {file}")
        lines[found[0]] = " ".join(edit(lines[found[0]].split()))
        file.write_text("\n".join(lines) + "\n")

    def break_signature(self, zone, owner, rtype):
        """The signature of these records becomes one of something else."""
        def other(words):
            return [*words[:12], ("A" if words[12][0] != "A" else "B") + words[12][1:], *words[13:]]
        self._edit(zone, owner, ["RRSIG", rtype], other)

    def take_signature(self, zone, owner, rtype):
        """The records have no signature any more."""
        self._edit(zone, owner, ["RRSIG", rtype], lambda words: [])

    def forge(self, zone, owner, rtype, data):
        """The record becomes another one under the same signature."""
        self._edit(zone, owner, [rtype], lambda words: [*words[:4], data])


class Nsd:
    """Serves all zones, and refuses what is in none."""

    def __init__(self, case, zones):
        self.port = free_port()
        config = zones.folder / "nsd.conf"
        lines = ["server:", f"  ip-address: 127.0.0.1@{self.port}", '  username: ""', '  chroot: ""',
                 "  server-count: 1",
                 '  database: ""', f'  zonesdir: "{zones.folder}"', f'  zonelistfile: "{zones.folder}/zone.list"',
                 f'  xfrdfile: "{zones.folder}/xfrd.state"', f'  xfrdir: "{zones.folder}"', '  pidfile: ""',
                 "  rrl-ratelimit: 0",
                 "remote-control:", "  control-enable: no"]
        for name in zones.names:
            lines += ["zone:", f"  name: {name}", f"  zonefile: {name}.zone"]
        config.write_text("\n".join(lines) + "\n")
        self.process = Process("nsd", [paths.tool("nsd"), "-d", "-c", config])
        case.addClassCleanup(self.process.terminate)
        for name in zones.names:
            wait_until(lambda: rcode(ask(self.port, name)) == NOERROR, what=f"nsd to answer for {name}")


class Unbound:
    """Validates what is below the anchors of `zones`. `lame`: zones whose server does not have them, which gives
    SERVFAIL at once. `port`: 53 is where the system's resolver asks (own_network)."""

    def __init__(self, case, zones, nsd, lame=(), port=None):
        self.port = port or free_port()
        config = zones.folder / "unbound.conf"
        lines = ["server:", f"  interface: 127.0.0.1@{self.port}", "  access-control: 127.0.0.0/8 allow",
                 '  username: ""',
                 '  chroot: ""', f'  directory: "{zones.folder}"', '  pidfile: ""', "  use-syslog: no", '  logfile: ""',
                 "  verbosity: 1", "  num-threads: 1", "  do-ip6: no", "  do-not-query-localhost: no",
                 '  module-config: "validator iterator"', '  local-zone: "test." nodefault', "  qname-minimisation: no",
                 "  aggressive-nsec: no", "  minimal-responses: yes"]
        lines += [f'  trust-anchor-file: "{anchor}"' for anchor in zones.anchors]
        # Those of addresses for documentation are answered by itself unless it is said.
        lines += [f'  local-zone: "{name}." nodefault' for name in zones.names if name.endswith(".arpa")]
        for name in [*zones.names, *lame]:
            lines += ["stub-zone:", f"  name: {name}", f"  stub-addr: 127.0.0.1@{nsd.port}"]
        lines += ["remote-control:", "  control-enable: no"]
        config.write_text("\n".join(lines) + "\n")
        self.process = Process("unbound", [paths.tool("unbound"), "-d", "-c", config])
        case.addClassCleanup(self.process.terminate)
        wait_until(lambda: rcode(ask(self.port, zones.names[0])) == NOERROR, what="unbound to answer")


class Asker:
    """The resolver under test, in a program of its own that takes questions (tests/support/dns_ask.cc). `servers` and
    `trusted` are lists of ports; trusted ones are those servers unless it is said."""

    def __init__(self, case, servers, trusted=None, try_timeout_ms=2000, tries=3):
        def text(ports):
            return ",".join(f"127.0.0.1:{port}" for port in ports)
        self._popen = subprocess.Popen(
            [paths.program("dns_ask"), text(servers), text(servers if trusted is None else trusted),
             str(try_timeout_ms), str(tries)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_environment())
        case.addCleanup(self._end, case)

    def _end(self, case):
        self._popen.stdin.close()
        case.assertEqual(0, self._popen.wait(60), "dns_ask did not end as it should")
        self._popen.stdout.close()

    def __call__(self, line):
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()
        said = self._popen.stdout.readline()
        if not said:
            raise AssertionError(f"dns_ask ended at: {line}")
        return json.loads(said)
