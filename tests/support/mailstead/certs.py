"""Certificates for tests, made with openssl(1)."""

import base64
import hashlib
import pathlib
import ssl

from . import paths
from .process import run_tool


def _openssl(*arguments):
    done = run_tool([paths.tool("openssl"), *arguments])
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(map(str, arguments))}: {done.stderr.decode()}")
    return done.stdout


class Authority:
    """A certificate authority in a folder, and the certificates it gives."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cert = self.folder / "ca.crt"
        self.key = self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                 "-subj", "/CN=Mailstead test authority", "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.cert)

    def below(self, folder):
        """An intermediate authority."""
        lower = Authority(folder)
        request = lower.folder / "ca.csr"
        extensions = lower.folder / "ca.ext"
        extensions.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n", encoding="ascii")
        _openssl("req", "-new", "-key", lower.key, "-subj", "/CN=Mailstead intermediate authority", "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", 30,
                 "-extfile", extensions, "-out", lower.cert)
        return lower

    def issue(self, name, names=("localhost",), addresses=("127.0.0.1",), into=None, days=30):
        """A certificate with CN `name`, for so many days. Gives the paths (cert, key). `into` replaces an existing pair in place."""
        cert, key = into or (self.folder / f"{name}.crt", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        extensions = self.folder / f"{name}.ext"
        new_key = self.folder / f"{name}.key.new"
        new_cert = self.folder / f"{name}.crt.new"
        alternatives = [f"DNS:{item}" for item in (name, *names)] + [f"IP:{item}" for item in addresses]
        extensions.write_text(f"subjectAltName={','.join(alternatives)}\nbasicConstraints=CA:FALSE\n",
                              encoding="ascii")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", new_key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                 "-days", days, "-extfile", extensions, "-out", new_cert)
        new_key.replace(key)
        new_cert.replace(cert)
        return cert, key

    def client_context(self):
        return ssl.create_default_context(cafile=str(self.cert))


def server_context(cert, key, *above):
    """Of a server that shows this certificate, and those of the authorities above it that are named."""
    chain = pathlib.Path(f"{cert}.chain")
    chain.write_text("".join(pathlib.Path(part).read_text(encoding="ascii") for part in (cert, *above)), encoding="ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def tlsa(cert, usage, selector, matching_type):
    """The data of a TLSA record (RFC 6698) for the certificate in a file: "3 1 1 0123..."."""
    if selector == 0:
        data = ssl.PEM_cert_to_DER_cert(pathlib.Path(cert).read_text(encoding="ascii"))
    else:
        lines = _openssl("x509", "-in", cert, "-noout", "-pubkey").decode().split("\n")
        data = base64.b64decode("".join(line for line in lines if not line.startswith("-")))
    if matching_type:
        data = {1: hashlib.sha256, 2: hashlib.sha512}[matching_type](data).digest()
    return f"{usage} {selector} {matching_type} {data.hex()}"


def not_after(cert):
    """When the certificate in a file ends, in seconds since 1970."""
    text = _openssl("x509", "-in", cert, "-noout", "-enddate").decode()
    return ssl.cert_time_to_seconds(text.strip().removeprefix("notAfter="))


def insecure_context():
    """For servers with a self-signed certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
