"""Plain make lists every command of the Makefile, and no other, and runs none of them."""

import os
import re
import subprocess
import unittest

SOURCE = os.environ["WENGERT_SOURCE_DIR"]


class MakefileTest(unittest.TestCase):
    def test_plain_make_lists_the_commands(self):
        run = lambda *targets: subprocess.run(
            ["make", "--no-print-directory", *targets], cwd=SOURCE, check=True, stdout=subprocess.PIPE, encoding="utf-8",
            env={"PATH": "/usr/bin:/bin"},
        ).stdout
        listed = re.findall(r"^  make ([\w-]+)  +\w", run(), re.MULTILINE)
        with open(f"{SOURCE}/Makefile", encoding="utf-8") as file:
            phony = re.search(r"^\.PHONY: (.*)$", file.read(), re.MULTILINE)[1].split()
        self.assertEqual(sorted(listed), sorted(set(phony) - {"packages"}))  # which the others call
        self.assertEqual(run("help"), run())


if __name__ == "__main__":
    unittest.main()
