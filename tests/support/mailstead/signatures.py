"""DKIM as others check it: a DNS server whose TXT records a test puts there, and the verifiers of python3-dkim and opendkim."""

import pathlib
import re
import socket
import struct
import tempfile
import threading

import dkim

from . import paths
from .ports import free_port
from .process import run_tool

_TXT = 16
_OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)


class TxtServer:
    """A DNS server, over UDP. `records` has the texts of each name; what is not in it does not exist. With `silent` set it
    answers nothing."""

    def __init__(self, case):
        self.port = free_port()
        self.records = {}
        self.silent = False
        # Names that were asked for.
        self.asked = []
        self.lock = threading.Lock()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        case.addCleanup(self.stop)

    def publish(self, *keys):
        """The records of keys as mailctl gives them."""
        with self.lock:
            for key in keys:
                self.records[key["record"]["name"]] = [key["record"]["value"]]

    def put(self, name, *texts):
        with self.lock:
            self.records[name] = list(texts)

    def withdraw(self, key):
        with self.lock:
            del self.records[key["record"]["name"]]

    def published(self):
        with self.lock:
            return {name: texts[0] for name, texts in self.records.items() if len(texts) == 1}

    def _run(self):
        while True:
            query, client = self._socket.recvfrom(4096)
            if not query:
                return
            answer = self._answer(query)
            if answer is not None and not self.silent:
                self._socket.sendto(answer, client)

    def _answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        question = query[12:at + 5]
        name = ".".join(labels)
        with self.lock:
            self.asked.append(name)
            texts = self.records.get(name, [])
            found = name in self.records
        if struct.unpack("!H", question[-4:-2])[0] != _TXT:
            texts = []
        records = b""
        for text in texts:
            data = text.encode()
            strings = b"".join(bytes([len(part)]) + part for part in (data[i:i + 255] for i in range(0, len(data), 255)))
            records += b"\xc0\x0c" + struct.pack("!HHIH", _TXT, 1, 5, len(strings)) + strings
        flags = 0x8180 | (0 if found else 3)
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(texts), 0, 1) + question + records + _OPT

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(15)
        self._socket.close()


def signatures(message):
    """Of each DKIM-Signature field its tags, from the top down."""
    header = message.partition(b"\r\n\r\n")[0] + b"\r\n"
    found = []
    for field in re.findall(rb"(?im)^dkim-signature:((?:.*?\r\n)(?:[ \t].*?\r\n)*)", header):
        tags = (tag.partition("=") for tag in field.decode().split(";"))
        found.append({name.strip(): "".join(value.split()) for name, _, value in tags})
    return found


def by_dkimpy(message, published):
    """What python3-dkim says of each signature, with these records: a list of bool."""
    def txt(name, timeout=5):
        text = published.get(name.decode().rstrip(".").lower())
        return None if text is None else text.encode()
    verdicts = []
    for index in range(len(signatures(message))):
        try:
            verdicts.append(dkim.DKIM(message).verify(idx=index, dnsfunc=txt))
        except dkim.DKIMException:
            verdicts.append(False)
    return verdicts


def by_opendkim(messages, published):
    """Checks each message with opendkim, which looks at all its signatures: what it says of each, as a list of texts."""
    with tempfile.TemporaryDirectory(prefix="mailstead-opendkim-") as folder:
        folder = pathlib.Path(folder)
        keys = folder / "keys"
        keys.write_text("".join(f"{name} {text}\n" for name, text in published.items()))
        config = folder / "opendkim.conf"
        config.write_text(f"Mode v\nTestPublicKeys {keys}\nSyslog no\nMinimumKeyBits 1024\n")
        said = []
        for number, message in enumerate(messages):
            file = folder / f"{number}.eml"
            # It ends its lines as files do.
            file.write_bytes(message.replace(b"\r\n", b"\n"))
            done = run_tool([paths.tool("opendkim"), "-x", config, "-vvv", "-t", file])
            said.append((done.stdout + done.stderr).decode(errors="replace"))
        return said
