"""What the public headers declare, read from their text: enough of C++ for headers that clang-format has seen.

    declarations() -> {"sum": ["x, axes = {}, keepdims = false"], "random::key": ["seed"], "Array.dim": ["axis"], ...}

Functions, types, constants and aliases under their names below wengert::, public member functions as Class.member. Each
has the sketches of its overloads: names of parameters with their defaults, without those that only note the caller's
line. Namespaces for the library's own use (detail, diff, cpu) are left out.
"""

import os
import re
from pathlib import Path

SOURCE = Path(os.environ["WENGERT_SOURCE_DIR"]) / "wengert"

# What the umbrella headers of these folders, and these headers, declare is public.
FOLDERS = ["ops", "nn", "optim", "data", "train"]
HEADERS = ["array/array.hpp", "array/dtype.hpp", "array/error.hpp", "array/shape.hpp", "diff/check_grads.hpp", "diff/grad.hpp",
           "diff/jacobian.hpp", "diff/jvp.hpp", "diff/linearize.hpp", "io/checkpoint.hpp",
           "io/npy.hpp", "io/npz.hpp", "trace/make_program.hpp", "trace/name.hpp", "tree/tree.hpp"]
OTHER_HEADERS = ["array/storage.hpp", "backends/cpu/kernels.hpp", "backends/cpu/threads.hpp", "program/program.hpp"]
INTERNAL_HEADERS = {"ops/common.hpp", "ops/conv_geometry.hpp"}
INTERNAL_NAMESPACES = {"detail", "diff", "cpu", "std", "compile"}
UNSAID_PARAMETERS = {"where", "name"}  # source_location, Name


def stripped(text):
    """Without comments, directives, the contents of strings, and the handlers of functions that are try blocks."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"^[ \t]*#(.*\\\n)*.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\bcatch \([^)]*\) \{[^}]*\}", "", re.sub(r"\btry \{", "{", text))
    return re.sub(r"'(\\.|[^'\\])'", "' '", re.sub(r'"(\\.|[^"\\\n])*"', '""', text))


def past_pair(text, at, pair="{}"):
    """The place after the bracket that closes the one at `at`."""
    depth = 0
    while True:
        depth += (text[at] == pair[0]) - (text[at] == pair[1])
        at += 1
        if depth == 0:
            return at


def split_arguments(text):
    """At commas outside all brackets; "<" opens one only where a template name stands before it."""
    parts, depth, start = [], 0, 0
    for at, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        depth += (c == "<" and text[at - 1 : at].isalnum()) - (c == ">" and depth > 0)
        if c == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [part.strip() for part in parts + [text[start:]] if part.strip()]


def sketch(parameters):
    """ "x, axes = {}" for "const Operand& x, const Axes& axes = {}"."""
    names = []
    for parameter in split_arguments(parameters):
        declared, equals, default = (part.strip() for part in parameter.partition("="))
        name = re.search(r"(\w+)$", declared)
        if name and name[1] not in UNSAID_PARAMETERS:
            names.append(name[1] + ("..." if "..." in declared else "") + (f" = {default}" if equals else ""))
    return ", ".join(names)


class Reader:
    def __init__(self, skipped):
        self.found = {}
        self.skipped = skipped  # namespaces

    def note(self, name, parameters=None):
        self.found.setdefault(name, [])
        if parameters is not None:
            self.found[name].append(sketch(parameters))

    def statement(self, text, scope, owner):
        """A declaration, or the head of a definition, in a namespace or (`owner`) a class."""
        text = " ".join(text.split())
        while text.startswith("template"):
            head = text.index("<")
            depth, at = 0, head
            while True:
                depth += (text[at] == "<") - (text[at] == ">" and text[at - 1] != "-")
                at += 1
                if depth == 0:
                    break
            text = text[at:].strip()
        text = re.sub(r"^requires\s*\(", "requires (", text)
        if text.startswith("requires ("):
            text = text[past_pair(text, text.index("("), "()") :].strip()
        prefix = "::".join(scope)
        name_of = lambda name: (f"{prefix}::{name}" if prefix else name)
        if not text or text.startswith(("friend ", "static_assert", "extern ", "using namespace", "namespace ")):
            return
        if alias := re.match(r"using (\w+) =", text):
            if not owner:
                self.note(name_of(alias[1]))
            return
        if alias := re.match(r"using [\w:]*::(\w+)$", text):
            self.note(name_of(alias[1]))
            return
        if concept := re.match(r"concept (\w+)", text):
            self.note(name_of(concept[1]))
            return
        if re.match(r"(class|struct|enum)\b[^(]*$", text):
            return
        body = re.sub(r"^requires \S+ |^explicit ?\(\w+\) ", "", text)
        function = re.match(r"[^(=]*?(~?\w+|operator.*?)\s*\(", body)
        if function and "operator" not in function[0] and not re.search(rf"::{re.escape(function[1])}\s*\($", function[0]):
            name, start = function[1], function.end() - 1
            parameters = body[start + 1 : past_pair(body, start, "()") - 1]
            if owner:
                if name.lstrip("~") != owner and "= delete" not in body:
                    self.note(f"{name_of(owner)}.{name}", parameters)
            else:
                self.note(name_of(name), parameters)
        elif not owner and (constant := re.match(r"inline constexpr [\w:<> ]+?[ &](\w+)\b(?!<)", text)):
            self.note(name_of(constant[1]))

    def read(self, text, scope=(), owner=None, public=True):
        """Everything up to the brace that closes the scope; returns the place after it."""
        at = start = depth = 0
        while at < len(text):
            c = text[at]
            if c in "()":
                depth += 1 if c == "(" else -1
            elif depth == 0 and owner and (access := re.match(r"(public|private|protected):", text[at:])) and not text[start:at].strip():
                public = access[1] == "public"
                at += access.end()
                start = at
                continue
            elif depth == 0 and c == ";":
                if public:
                    self.statement(text[start:at], scope, owner)
                start = at + 1
            elif depth == 0 and c == "{":
                head, end = text[start:at], past_pair(text, at)
                namespace = re.search(r"\bnamespace ([\w:]+)\s*$", head)
                type_ = re.search(r"^\s*(?:template\s*<.*>\s*)?(class|struct|enum class|enum)\s+(?:alignas\(\d+\)\s+)?(\w+)(?![\w<])[^()]*$", head, re.DOTALL)
                if namespace:
                    names = [name for name in namespace[1].split("::") if name != "wengert"]
                    if not self.skipped & set(names):
                        self.read(text[at + 1 : end - 1], (*scope, *names))
                    start = end
                elif type_ and not owner:
                    self.note("::".join((*scope, type_[2])))
                    if not type_[1].startswith("enum"):
                        self.read(text[at + 1 : end - 1], scope, type_[2], type_[1] == "struct")
                    start = end
                elif re.search(r"=\s*$|\w\s*$", head) and "(" not in head and not head.strip().startswith("template"):
                    at = end  # an initializer; its statement ends at a semicolon
                    continue
                elif re.search(r"[:,]\s*\w+$", head):
                    at = end  # a member's initializer in a constructor
                    continue
                else:
                    if public:
                        self.statement(head, scope, owner)
                    start = end
                at = end
                continue
            at += 1


def headers():
    found = [SOURCE / header for header in HEADERS]
    for folder in FOLDERS:
        found += sorted((SOURCE / folder).glob("*.hpp"))
    return [path for path in found if str(path.relative_to(SOURCE)) not in INTERNAL_HEADERS]


def read(paths, skipped):
    reader = Reader(skipped)
    for path in paths:
        reader.read(stripped(path.read_text(encoding="utf-8")))
    return reader.found


def declarations():
    return read(headers(), INTERNAL_NAMESPACES)


def other_declarations():
    """What these headers declare: some of it is for users."""
    return read([SOURCE / header for header in OTHER_HEADERS], INTERNAL_NAMESPACES - {"cpu"})
