"""The house as docs/architecture.md draws it: a folder of wengert/ includes only those that the table lists above it."""
import os
import re
import unittest
from pathlib import Path

ROOT = Path(os.environ["WENGERT_SOURCE_DIR"])


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


if __name__ == "__main__":
    unittest.main()
