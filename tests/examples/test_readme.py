"""The program in README, as it stands there, started by the commands in front of it."""

import pathlib
import re
import shlex
import unittest

from mailstead.paths import REPOSITORY, bin_dir
from mailstead.process import Process, run_tool, wait_until
from mailstead.stack import StackCase

DEMO, CUSTOMER = "demo@example.test", "customer@example.test"


def section():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    return text.partition("\n## From your own programs\n")[2].partition("\n## ")[0]


class ReadmeTest(StackCase):

    def test_the_support_desk(self):
        commands, program = (re.search(rf"```{kind}\n(.*?)```", section(), re.S).group(1) for kind in ("", "python"))
        self.assertLessEqual(len(program.splitlines()), 20)
        stack = self.new_stack()
        stack.add_stored()
        stack.add_smtpd()
        stack.add_accounts("demo", "customer")
        folder = stack.folder / "desk"
        folder.mkdir()
        environment = {"MAILCTL_STORE": stack.stored.address, "MAILCTL_TOKEN_FILE": str(stack.token("operator"))}
        for command in commands.splitlines():
            name, *words = shlex.split(command)
            path = bin_dir() / pathlib.Path(name).name if name.startswith("build/bin/") else REPOSITORY / name
            done = run_tool([path, *words], environment=environment, cwd=folder)
            self.assertEqual(0, done.returncode, f"{command}: {done.stderr.decode()}")
        (folder / "desk.py").write_text(program.replace("127.0.0.1:7070", stack.stored.address), encoding="utf-8")
        desks = []
        for number in range(2):
            if desks:
                desks[-1].kill()
            desks.append(Process(f"desk-{number}", ["/usr/bin/python3", "desk.py"], {"PYTHONPATH": ""}, cwd=folder))
            self.addCleanup(desks[-1].kill)
            stack.send([DEMO], f"From: {CUSTOMER}\r\nSubject: question {number}\r\n\r\nWhy?\r\n".encode(), sender=CUSTOMER)
            wait_until(lambda number=number: len(stack.ctl.json("message", "list", CUSTOMER)["messages"]) == number + 1,
                       what=f"answer {number}: {desks[-1].tail()}")
            self.assertIn(f"question {number} Why?", desks[-1].text())
        # The second began where the first had got to, or repeats what was not acknowledged, and answers nothing twice.
        self.assertEqual(2, len(stack.ctl.json("message", "list", CUSTOMER)["messages"]))

    def test_the_curl(self):
        create, curl = re.search(r"```\n(build/bin/mailctl key create try .*\n)(curl .*\n)```", section()).groups()
        stack = self.new_stack()
        stack.add_stored()
        stack.add_accounts("demo")
        web = stack.add_webd()
        stack.ctl.run("deliver", "-", "--to", DEMO, input="Subject: by curl\n\nHello!\n")
        (stack.folder / "build").symlink_to(bin_dir().parent)
        script = create + curl.replace("127.0.0.1:8080", f"127.0.0.1:{web.ports['http']}").replace("curl ", "curl --noproxy '*' ")
        done = run_tool(["bash", "-euc", script], cwd=stack.folder, environment={
            "MAILCTL_STORE": stack.stored.address, "MAILCTL_TOKEN_FILE": str(stack.token("operator"))})
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(b'"subject":"by curl"', done.stdout)


if __name__ == "__main__":
    unittest.main()
