"""docs/reference.md lists every public name of the headers, and nothing else: with the parameters that they have."""

import os
import re
import unittest
from pathlib import Path

from public_headers import declarations, other_declarations

PAGE = Path(os.environ["WENGERT_SOURCE_DIR"]) / "docs" / "reference.md"

# Public to the compiler, but not meant for users, or said in words: name or Class.member, and why.
UNLISTED = {
    "Node", "inline_bytes", "Operand", "CallScope", "note_call", "called_at", "call_site", "line_text",  # for rooms
    "throw_no_memory", "throw_no_memory_within", "is_no_memory_within", "describe", "broadcast_shapes",  # for rooms
    "Array.node", "Array.release_node", "Array.unique", "Array.type", "Array.layout",  # for rooms
}
# Plain values whose members nobody needs a table for.
UNLISTED_MEMBERS_OF = {"Node", "Operand", "Shape", "Dim", "Axes", "Index", "Name", "nn::Linear", "nn::Conv2d", "nn::BatchNorm",
                       "nn::LayerNorm", "nn::Embedding", "data::Batches", "CallScope"}


def entries():
    """(section, name, parameters or None) of the code in the first column of every table of names."""
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        if section == "Rules" or not line.startswith("| `"):
            continue
        for code in re.findall(r"`([^`]*)`", line.split(" | ")[0]):
            entry = re.fullmatch(r"(?P<name>(x\.|\.)?[\w:]+)(<[\w, ]+>)?(\((?P<parameters>.*)\)|\{.*\})?", code)
            if entry is None:
                raise AssertionError(f"docs/reference.md: `{code}` is no name with parameters")
            yield section, entry["name"], entry["parameters"]


class ReferenceTest(unittest.TestCase):
    def setUp(self):
        self.declared = declarations()
        self.all_declared = other_declarations()
        for name, sketches in self.declared.items():
            self.all_declared[name] = self.all_declared.get(name, []) + sketches
        self.members = {}  # member: sketches, over all classes
        for name, sketches in self.all_declared.items():
            if "." in name:
                self.members.setdefault(name.rpartition(".")[2], []).extend(sketches)

    def test_the_headers_are_read(self):
        self.assertGreater(len(self.declared), 300)
        self.assertIn("x, axes = {}, keepdims = false", self.declared["sum"])
        self.assertIn("key, shape, dtype = float32, low = 0, high = 1", self.declared["random::uniform"])
        self.assertIn("axis", self.declared["Array.dim"])
        self.assertNotIn("detail::make_array", self.declared)

    def test_what_is_listed_is_there(self):
        for section, name, parameters in entries():
            with self.subTest(section=section, name=name):
                if name.startswith("x."):
                    sketches = self.declared.get("Array" + name[1:])
                elif name.startswith("."):
                    sketches = self.members.get(name[1:])
                else:
                    sketches = self.all_declared.get(name)
                self.assertIsNotNone(sketches, "no public header declares it")
                if parameters is not None:
                    self.assertIn(parameters, sketches)

    def test_what_is_there_is_listed(self):
        listed, sections = set(), {}
        for section, name, _ in entries():
            listed.add("Array" + name[1:] if name.startswith("x.") else f"{section}{name}" if name.startswith(".") else name)
            sections.setdefault(name, section)
        for name in self.declared:
            owner, _, member = name.rpartition(".")
            if name in UNLISTED or owner in UNLISTED_MEMBERS_OF:
                continue
            with self.subTest(name=name):
                if owner and owner != "Array":
                    self.assertIn(owner, sections)
                    self.assertIn(f"{sections[owner]}.{member}", listed, f"of {owner}")
                else:
                    self.assertIn(name, listed)

    def test_exceptions_are_needed(self):
        known = set(self.declared) | {name.rpartition(".")[0] for name in self.declared}
        for name in UNLISTED | UNLISTED_MEMBERS_OF:
            self.assertIn(name, known)


if __name__ == "__main__":
    unittest.main()
