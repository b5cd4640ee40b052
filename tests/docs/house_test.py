"""The house as docs/architecture.md draws it: a folder of wengert/ includes only those that the table lists above it; and
every id of an error stands in a test."""
import os
import re
import unittest
from pathlib import Path

ROOT = Path(os.environ["WENGERT_SOURCE_DIR"])

NO_IDS = {"disable-lsr", "initial-exec", "wengert-checkpoint", "wengert-slp-vectorizer"}
# What no input reaches: broken promises of the lowering, of oneDNN and of kernels, a kernel that finds no
# memory where its caller has just found some, and a primitive without samples, which ends every program at its start.
OUT_OF_REACH = {"lowering-reduction", "onednn", "assertion", "scratch-memory", "primitive-samples"}


def sources(folder):
    files = sorted(path for kind in ("cpp", "hpp", "py") for path in (ROOT / folder).rglob("*." + kind))
    return "\n".join(path.read_text() for path in files if path.name != Path(__file__).name)


class House(unittest.TestCase):
    def test_folders_use_those_above_them(self):
        page = (ROOT / "docs/architecture.md").read_text()
        table = re.search(r"\| folder \|.*?\n\n", page, re.DOTALL)[0]
        rows = [row.split("|")[1] for row in table.strip().splitlines()]
        order = [name for row in rows for name in re.findall(r"`(\w+)/", row)]
        folders = {path.name for path in (ROOT / "wengert").iterdir() if path.is_dir()}
        self.assertEqual(folders - set(order), set(), "not in the table of docs/architecture.md")
        for path in sorted((ROOT / "wengert").glob("*/**/*.[ch]pp")):
            folder = path.relative_to(ROOT / "wengert").parts[0]
            for used in re.findall(r'#include "wengert/(\w+)/', path.read_text()):
                self.assertLessEqual(order.index(used), order.index(folder), f"{path} includes {used}/")

    def test_numbers_have_points_in_any_locale(self):
        printed = re.findall(r'printf\([^;]*?%[^\s"%a-zA-Z]*[aefgAEFG][^;]*;|\bstrto[fd]\b|\bsto[fd]\(', sources("wengert"))
        self.assertEqual(printed, [], "number_text and from_chars know no locale")

    def test_every_error_is_tested(self):
        text = sources("wengert")
        ids = set(re.findall(r'"([a-z][a-z0-9]*(?:-[a-z0-9]+)+)"', text))
        ids |= set(re.findall(r'ErrorKind::\w+,\s*"(\w+)"', text))
        self.assertLess(NO_IDS | OUT_OF_REACH, ids, "lists here what is no more")
        self.assertGreater(len(ids), 200)
        named = set(re.findall(r'"(\w+)"|([a-z][a-z0-9]*(?:-[a-z0-9]+)+)', sources("tests")))
        named = {word for words in named for word in words}
        untested = sorted(ids - named - NO_IDS - OUT_OF_REACH)
        self.assertEqual(untested, [], "ids of errors that no test names")


if __name__ == "__main__":
    unittest.main()
