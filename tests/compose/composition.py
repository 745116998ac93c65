"""docker-compose.yml, brought up under a name and on ports of its own."""

import json
import os
import pathlib
import secrets
import subprocess

from mailstead.ports import free_ports

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PORTS = ("SMTP", "SUBMISSION", "SUBMISSIONS", "POP3", "POP3S", "HTTP")


def docker(*argv, input=None, timeout=120):
    """Standard output of `docker ...`, which must succeed."""
    done = subprocess.run(["docker", *map(str, argv)], input=input, capture_output=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise AssertionError(f"docker {' '.join(map(str, argv))}: exit {done.returncode}: {done.stderr.decode()[-2000:]}")
    return done.stdout


class Composition:
    def __init__(self, **settings):
        self.project = f"mailstead-test-{secrets.token_hex(4)}"
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        # So that several can be up at once.
        out = f"172.31.{secrets.randbelow(255)}"
        # Without the first account of a try-out.
        self.settings = {"MAILSTEAD_BIND": "127.0.0.1", "MAILSTEAD_DELIVERY": "direct",
                         "MAILSTEAD_OUT_SUBNET": f"{out}.0/24", "MAILSTEAD_RESOLVER_ADDRESS": f"{out}.53",
                         **{f"MAILSTEAD_{name}_PORT": str(port) for name, port in self.ports.items()}, **settings}

    def compose(self, *argv, input=None, timeout=180):
        """Standard output of `docker compose ...`, which must succeed."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAILSTEAD_")}
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, "--progress", "quiet", *map(str, argv)],
            cwd=REPOSITORY, env={**environment, **self.settings}, input=input or b"", capture_output=True,
            timeout=timeout, check=False)
        if done.returncode != 0:
            raise AssertionError(f"docker compose {' '.join(map(str, argv))}: exit {done.returncode}: "
                                 f"{done.stdout.decode()[-1000:]}{done.stderr.decode()[-2000:]}")
        return done.stdout

    def build(self):
        """Builds the images, unless MAILSTEAD_TEST_IMAGES=built says that those there are the ones to test."""
        if os.environ.get("MAILSTEAD_TEST_IMAGES") != "built":
            self.compose("build", timeout=2000)

    def up(self, *options, **replicas):
        """What runs already and is as it should be stays. With "--wait" as an operator would: until all are healthy."""
        scale = [item for service, count in replicas.items() for item in ("--scale", f"{service}={count}")]
        self.compose("up", "--detach", "--no-build", *options, *scale)

    def unhealthy(self):
        """Names of containers that do not run or are not healthy."""
        names = self.compose("ps", "--all", "--format", "{{.Name}} {{.Health}}").decode().splitlines()
        return [line for line in names if not line.endswith(" healthy")]

    def down(self):
        self.compose("down", "--volumes", "--timeout", 5)

    def mailctl(self, *argv, input=None):
        """As an operator would call it: in the store's container, with nothing said about where the store is."""
        return self.compose("exec", "-T", "stored", "mailctl", *argv, input=input)

    def add_account(self, address, password):
        self.mailctl("account", "add", address, "--password_stdin", input=password.encode() + b"\n")

    def replicas(self, service):
        """Container ids, running ones only."""
        return self.compose("ps", "--quiet", "--status", "running", service).decode().split()

    def inspect(self, container):
        return json.loads(docker("inspect", container))[0]

    def address(self, container, network):
        return self.inspect(container)["NetworkSettings"]["Networks"][f"{self.project}_{network}"]["IPAddress"]

    def log(self, container):
        """Standard output and error of a container."""
        done = subprocess.run(["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60, check=True)
        return done.stdout.decode(errors="replace")

    def logs(self, service):
        return "".join(self.log(container) for container in self.replicas(service))

    def show_logs(self):
        print(self.compose("ps", "--all").decode())
        print(self.compose("logs", "--no-color", "--tail", 60).decode(errors="replace"))
