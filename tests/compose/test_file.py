"""docker-compose.yml as it is written: what holds without a container engine."""

import re
import unittest

from mailstead.paths import REPOSITORY

FILE = REPOSITORY / "docker-compose.yml"


def blocks(text, indent):
    """{key: its lines} of the mappings at this depth."""
    space = " " * indent
    found = re.findall(rf"^{space}([\w-]+):[^\n]*\n((?:{space} +[^\n]*\n|\n)*)", text, re.MULTILINE)
    return dict(found)


class LogTest(unittest.TestCase):
    """Logs of containers are bounded: clients write them, and the disk is the one that mail is on."""

    def setUp(self):
        self.top = blocks(FILE.read_text(encoding="utf-8"), 0)

    def test_the_shared_part_bounds_the_log(self):
        logging = blocks(self.top["x-hardened"], 2)["logging"]
        self.assertIn("driver: json-file\n", logging)
        options = dict(re.findall(r'^ +(max-[a-z]+): "\$\{\w+:-(\w+)\}"$', logging, re.MULTILINE))
        self.assertRegex(options["max-size"], r"^[1-9][0-9]*[km]$")
        self.assertRegex(options["max-file"], r"^[1-9][0-9]*$")

    def test_every_service_has_the_shared_part(self):
        self.assertIn("<<: *hardened\n", self.top["x-front-end"])
        services = blocks(self.top["services"], 2)
        self.assertLessEqual({"stored", "smtpd", "pop3d", "webd", "edge"}, set(services))
        for name, lines in services.items():
            self.assertRegex(lines, r"(?m)^    <<: \*(hardened|front-end)$", name)
            self.assertNotIn("logging", blocks(lines, 4), f"{name} has a log of its own")


class StoredTest(unittest.TestCase):

    def setUp(self):
        top = blocks(FILE.read_text(encoding="utf-8"), 0)
        self.lines = blocks(top["services"], 2)["stored"]
        self.stored = blocks(self.lines, 4)
        self.dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")

    def test_a_first_try_out_keeps_its_mail(self):
        self.assertIn('entrypoint: ["first-start"]\n', self.lines)
        self.assertIn("MAILSTEAD_DELIVERY: ${MAILSTEAD_DELIVERY:-}\n", self.stored["environment"])

    def test_the_key_of_secrets_is_not_with_what_it_seals(self):
        key = re.search(r"STORED_SECRETS_KEY_FILE=(\S+)/[^/\s]+ ", self.dockerfile).group(1)
        volumes = dict(reversed(line.rsplit(":", 1)) for line in re.findall(r"^ +- (\S+)$", self.stored["volumes"],
                                                                            re.MULTILINE))
        self.assertEqual("store-secrets", volumes[key])
        self.assertEqual(1, list(volumes.values()).count("store-secrets"))


if __name__ == "__main__":
    unittest.main()
