"""wengert_cache shows the kernel cache and empties it, and touches nothing else."""

import os
import pathlib
import subprocess
import tempfile
import unittest

PROGRAM = pathlib.Path(os.environ["WENGERT_BINARY_DIR"]) / "tools" / "wengert_cache"
MIB = 1 << 20


def run(folder, *arguments, **environment):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True,
                          env={"WENGERT_CACHE": str(folder), **environment})


class WengertCache(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name) / "cache"

    def fill(self):
        self.folder.mkdir(mode=0o700)
        for digit in "012":
            (self.folder / (digit * 32 + ".kernel")).write_bytes(b"x" * 100)
        (self.folder / ("3" * 32 + ".c")).write_bytes(b"y" * 10)
        (self.folder / "thesis.tex").write_bytes(b"z" * 1000)

    def test_a_cache_that_was_never_used(self):
        result = run(self.folder)
        self.assertEqual(result.stdout, f"folder   {self.folder}\nentries  0\nbytes    0 of {256 * MIB}\n")
        self.assertEqual(result.returncode, 0)
        self.assertFalse(self.folder.exists())

    def test_shows_entries_and_bytes(self):
        self.fill()
        result = run(self.folder, WENGERT_CACHE_MIB="3")
        self.assertEqual(result.stdout, f"folder   {self.folder}\nentries  3\nbytes    310 of {3 * MIB}\n")

    def test_clear_removes_the_cache_s_own_files(self):
        self.fill()
        result = run(self.folder, "--clear")
        self.assertEqual(result.stdout, f"folder   {self.folder}\nentries  0\nbytes    0 of {256 * MIB}\n")
        self.assertEqual([path.name for path in self.folder.iterdir()], ["thesis.tex"])

    def test_a_folder_that_others_may_write_is_left_alone(self):
        self.fill()
        self.folder.chmod(0o777)
        result = run(self.folder, "--clear")
        self.assertEqual(result.returncode, 1)
        self.assertIn("others may write to it", result.stderr)
        self.assertEqual(len(list(self.folder.iterdir())), 5)

    def test_wrong_arguments(self):
        self.assertNotEqual(run(self.folder, "--clean").returncode, 0)
        result = run(self.folder, WENGERT_CACHE_MIB="much")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "wengert_cache: WENGERT_CACHE_MIB: got 'much': "
                                        "wanted a whole number of MiB, at least 1\n")


if __name__ == "__main__":
    unittest.main()
