"""The admin port of a program: /healthz, /readyz, /metrics."""

import http.client
import re

_SAMPLE = re.compile(
    r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (\S+)(?: -?[0-9]+)?$')
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
_TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def get(port, path, host="127.0.0.1", timeout=5):
    """(status, body); (0, reason) when there is no answer."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError as error:
        return 0, str(error)
    except http.client.HTTPException as error:
        return 0, repr(error)
    finally:
        connection.close()


def parse_metrics(text):
    """Prometheus text format 0.0.4 to {(name, ((label, value), ...)): number}. Raises ValueError where it is not."""
    samples = {}
    types = {}
    for line in text.splitlines():
        if not line:
            continue
        if line.startswith("#"):
            words = line.split(" ", 3)
            if words[1] == "TYPE":
                if words[2] in types or words[3] not in _TYPES:
                    raise ValueError(f"bad TYPE line: {line}")
                types[words[2]] = words[3]
            continue
        match = _SAMPLE.match(line)
        if not match:
            raise ValueError(f"not a sample: {line}")
        name, labels, value = match.groups()
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        if name not in types and family not in types:
            raise ValueError(f"sample without TYPE: {line}")
        key = (name, tuple(sorted(_LABEL.findall(labels or ""))))
        if key in samples:
            raise ValueError(f"sample twice: {line}")
        samples[key] = float(value)
    return samples


def total(samples, name, **labels):
    """Sum over all samples of this name that have these labels."""
    wanted = set(labels.items())
    return sum(value for (got, pairs), value in samples.items() if got == name and wanted <= set(pairs))
