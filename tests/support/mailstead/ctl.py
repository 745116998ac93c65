"""mailctl, the operator's command line."""

import json

from .process import program_argv, run_tool


class CtlError(AssertionError):
    def __init__(self, arguments, done):
        super().__init__(f"mailctl {' '.join(map(str, arguments))}: exit {done.returncode}: "
                         f"{done.stderr.decode(errors='replace').strip()}")
        self.status = done.returncode
        self.stderr = done.stderr.decode(errors="replace")


class Mailctl:
    def __init__(self, store, token_file, program=None):
        """`program`: the mailctl to run, when it is not that of the programs under test."""
        self.store = store
        self.token_file = token_file
        self.program = program

    def raw(self, *arguments, input=None, timeout=120, environment=None):
        """A CompletedProcess, whatever the exit status."""
        connection = {"MAILCTL_STORE": self.store, "MAILCTL_TOKEN_FILE": str(self.token_file)}
        argv = [self.program] if self.program else program_argv("mailctl", {})
        return run_tool([*argv, *arguments], input=input, timeout=timeout,
                        environment={**connection, **(environment or {})})

    def run(self, *arguments, input=None, timeout=120):
        """Standard output as bytes; CtlError when the exit status is not 0."""
        done = self.raw(*arguments, input=input, timeout=timeout)
        if done.returncode != 0:
            raise CtlError(arguments, done)
        return done.stdout

    def json(self, *arguments, input=None):
        return json.loads(self.run(*arguments, "--json", input=input))

    def add_domain(self, name):
        self.run("domain", "add", name)

    def add_account(self, address, password, *flags):
        self.run("account", "add", address, "--password_stdin", *flags, input=password + "\n")

    def set_password(self, address, password):
        self.run("account", "password", address, "--password_stdin", input=password + "\n")

    def add_alias(self, address, *targets):
        self.run("alias", "add", address, *targets)

    def import_accounts(self, lines):
        """(address, password) pairs."""
        text = "".join(f"{address} {password}\n" for address, password in lines)
        return self.run("account", "import", "-", input=text)
