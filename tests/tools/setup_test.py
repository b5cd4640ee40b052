"""tools/setup.sh on machines that lack something: with a PATH on which dpkg-query, apt-get, sudo and id are of the test's
own making, so that nothing is ever installed."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(os.environ["WENGERT_SOURCE_DIR"])

DPKG_QUERY = 'while read -r name; do echo "ii  $name"; done <"$MACHINE/installed"'
APT_GET = r"""echo "apt-get $*" >>"$MACHINE/log"
for word in "$@"; do case $word in -*|*=*|update|install) ;; *) echo "$word" >>"$MACHINE/installed" ;; esac; done"""
SUDO = r"""echo "sudo $*" >>"$MACHINE/log"
[ "$1" != -n ] || { shift; [ -e "$MACHINE/trusted" ] || exit 1; }
"$@" """
VENV = """[ "$1 $2" = "-m venv" ] || { echo "python3 $*" >>"$MACHINE/log"; exit; }"""


class Machine:
    """A copy of tools/ in a folder of its own, and the programs that it finds there."""

    def __init__(self, test, user="root", programs=("apt-get",)):
        scratch = tempfile.TemporaryDirectory()
        test.addCleanup(scratch.cleanup)
        self.path = Path(scratch.name)
        (self.path / "installed").write_text("g++\n")
        (self.path / "bin").mkdir()
        shutil.copytree(SOURCE / "tools", self.path / "repository/tools")
        for tool in ("bash", "env", "dirname", "basename", "awk", "grep", "sed", "cmp", "cp"):
            (self.path / "bin" / tool).symlink_to(shutil.which(tool))
        self.add("dpkg-query", DPKG_QUERY)
        self.add("id", f"echo {0 if user == 'root' else 1000}")
        for name, text in (("apt-get", APT_GET), ("sudo", SUDO)):
            if name in programs:
                self.add(name, text)

    def add(self, name, text):
        program = self.path / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/bash\n{text}\n")
        program.chmod(0o755)

    def set_up(self, what="packages"):
        return subprocess.run(
            [self.path / "repository/tools/setup.sh", what], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
            env={"PATH": str(self.path / "bin"), "MACHINE": str(self.path)},
        )

    def log(self):
        log = self.path / "log"
        return log.read_text().splitlines() if log.exists() else []


def wanted():
    """Name and reason of every package but g++, which is there."""
    lines = re.search(r"packages='\n(.*?)'", (SOURCE / "tools/setup.sh").read_text(), re.DOTALL)[1].splitlines()
    return [line.split(None, 1) for line in lines if not line.startswith("g++ ")]


class SetupTest(unittest.TestCase):
    def expect_list(self, text):
        for name, reason in wanted():
            self.assertRegex(text, rf"(?m)^  {re.escape(name)} +{re.escape(reason)}$")
        self.assertNotRegex(text, r"(?m)^  g\+\+ ")

    def test_without_apt_lists_the_packages_and_stops(self):
        for user in ("root", "user"):
            machine = Machine(self, user, programs=["sudo"])
            run = machine.set_up()
            self.assertEqual((run.returncode, run.stdout), (1, ""))
            self.assertIn("there is no apt-get here", run.stderr)
            self.expect_list(run.stderr)
            self.assertEqual(machine.log(), [])

    def test_without_root_says_what_to_install_and_stops(self):
        for programs in (["apt-get"], ["apt-get", "sudo"]):  # no sudo; one that asks for a password, and nobody is there
            machine = Machine(self, "user", programs)
            run = machine.set_up()
            self.assertEqual((run.returncode, run.stdout), (1, ""))
            self.assertIn("this user can be root neither directly nor through sudo", run.stderr)
            self.expect_list(run.stderr)
            names = " ".join(name for name, _ in wanted())
            self.assertIn(f"\n  apt-get install --no-install-recommends {names}\n", run.stderr)
            self.assertEqual([line for line in machine.log() if "apt-get" in line], [])

    def test_installs_what_is_missing_once(self):
        for user in ("root", "user"):
            machine = Machine(self, user, ["apt-get", "sudo"])
            (machine.path / "trusted").touch()
            first = machine.set_up()
            self.assertEqual((first.returncode, first.stderr), (0, ""))
            self.assertTrue(first.stdout.startswith("Installing with apt-get:\n"))
            self.expect_list(first.stdout)
            names = " ".join(name for name, _ in wanted())
            update, install = [line for line in machine.log() if line.startswith("apt-get ")]
            self.assertTrue(update.endswith(" update"), update)
            self.assertTrue(install.endswith(f" install --yes --no-install-recommends {names}"), install)
            self.assertEqual(any(line.startswith("sudo ") for line in machine.log()), user == "user")

            calls = len(machine.log())
            second = machine.set_up()
            self.assertEqual((second.returncode, second.stdout, second.stderr), (0, "", ""))
            self.assertEqual(len(machine.log()), calls, "a second call asks nobody for anything")

    def test_an_installation_that_fails_stops(self):
        machine = Machine(self)
        machine.add("apt-get", '[[ "$*" != *install* ]]')
        run = machine.set_up()
        self.assertEqual(run.returncode, 1)
        self.assertIn("apt-get could not install all of these", run.stderr)
        self.expect_list(run.stderr)

    def test_python_packages_are_installed_once_for_each_list(self):
        machine = Machine(self)
        machine.add("../repository/.venv/bin/python3", VENV)
        run = machine.set_up("python")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertTrue(run.stdout.startswith("Installing into .venv:\n"))
        self.assertEqual(len(machine.log()), 1)
        again = machine.set_up("python")
        self.assertEqual((again.returncode, again.stdout, len(machine.log())), (0, "", 1))
        with open(machine.path / "repository/tools/requirements.txt", "a") as file:
            file.write("# one more line\n")
        machine.set_up("python")
        self.assertEqual(len(machine.log()), 2)

    def test_other_words_get_the_usage(self):
        run = Machine(self).set_up("everything")
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("tools/setup.sh packages", run.stderr)


if __name__ == "__main__":
    unittest.main()
