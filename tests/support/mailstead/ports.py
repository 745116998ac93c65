"""Ports for servers that have to be told theirs before they are started."""

import contextlib
import random
import socket

# Below those that the kernel gives to whoever asks for any (net.ipv4.ip_local_port_range): nobody gets one by chance before it
# is used.
PORTS = range(20_000, 32_000)


def free_ports(count):
    """For TCP and UDP on 127.0.0.1, at this moment; all different."""
    with contextlib.ExitStack() as held:
        ports = []
        while len(ports) < count:
            port = random.choice(PORTS)
            try:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    held.enter_context(socket.socket(socket.AF_INET, kind)).bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
        return ports


def free_port():
    return free_ports(1)[0]
