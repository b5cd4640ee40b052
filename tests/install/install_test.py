"""Installs the library into a scratch prefix and looks at it as its users do: the installed files must be enough to
configure, compile and run a project outside the tree, and must need nothing that is not documented."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(os.environ["WENGERT_SOURCE_DIR"])
BUILD = Path(os.environ["WENGERT_BINARY_DIR"])
CMAKE = os.environ["WENGERT_CMAKE"]
SANITIZE = os.environ["WENGERT_SANITIZE"]

# Beside the C and C++ runtimes. oneDNN, clang and LLVM are loaded when first used.
ALLOWED_LIBRARIES = {"libz.so", "libfmt.so"}
RUNTIME_LIBRARIES = {"libc.so", "libm.so", "libstdc++.so", "libgcc_s.so", "ld-linux-x86-64.so"}
SANITIZER_LIBRARIES = {"libasan.so", "libubsan.so", "libtsan.so"}


def run(*command, **options):
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            encoding="utf-8", **options)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.scratch = Path(folder.name)
        cls.prefix = cls.scratch / "prefix"
        run(CMAKE, "--install", BUILD, "--prefix", cls.prefix, "--strip")
        (cls.library,) = [path for path in cls.prefix.rglob("libwengert.so*") if not path.is_symlink()]

    @unittest.skipIf(SANITIZE, "sanitizers make it larger")
    def test_the_library_is_small(self):
        self.assertLess(self.library.stat().st_size, 15e6)

    def test_the_library_links_to_nothing_undocumented(self):
        needed = re.findall(r"NEEDED\s+(\S+?\.so)", run("objdump", "-p", self.library))
        allowed = ALLOWED_LIBRARIES | RUNTIME_LIBRARIES | (SANITIZER_LIBRARIES if SANITIZE else set())
        self.assertEqual(set(needed) - allowed, set())

    def test_the_installed_programs_run_where_they_are(self):
        programs = sorted((self.prefix / "bin").iterdir())
        self.assertGreater(len(programs), 0)
        for program in programs:
            self.assertIn(program.name, run(program, "--help"))

    def test_a_project_outside_the_tree_builds_and_runs(self):
        project = self.scratch / "consumer"
        build = self.scratch / "consumer-build"
        shutil.copytree(SOURCE / "examples" / "consumer", project)
        flags = f"-fsanitize={SANITIZE}" if SANITIZE else ""
        run(CMAKE, "-S", project, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_CXX_COMPILER={os.environ['WENGERT_CXX']}",
            f"-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror {flags}")
        run(CMAKE, "--build", build)
        output = run(build / "consumer")
        self.assertEqual(output, (project / "expected_output.txt").read_text())

        headers = run("ninja", "-C", build, "-t", "deps")
        self.assertIn(str(self.prefix), headers)
        for foreign in (str(SOURCE), "/fmt/", "nlohmann", "CLI11", "oneapi", "llvm/"):
            self.assertNotIn(foreign, headers)

    def test_every_header_that_an_installed_header_includes_is_installed(self):
        include = self.prefix / "include"
        headers = sorted(include.rglob("*.h*"))
        self.assertGreater(len(headers), 0)
        for header in headers:
            for included in re.findall(r'#include "(.*)"', header.read_text()):
                self.assertTrue((include / included).is_file(), f"{header.name} includes {included}")


if __name__ == "__main__":
    unittest.main()
