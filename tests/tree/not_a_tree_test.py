"""Types that are no trees must not compile, with one error that names the type and the cure."""

import itertools
import os
import pathlib
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["WENGERT_SOURCE_DIR"])
COMPILER = os.environ["WENGERT_CXX"]
CURE = "this type is not a tree of arrays"

# What makes the type no tree, and the name that the error must print.
TYPES = {
    "struct Bad { wg::Array a; std::unique_ptr<wg::Array> p; };": r"unique_ptr<wengert::Array",
    "struct Bad { std::vector<std::shared_ptr<wg::Array>> p; };": r"shared_ptr<wengert::Array>",
    "struct Bad { wg::Array* p; };": r"wengert::Array ?\*",
    "struct Bad { std::map<int, wg::Array> m; };": r"map<int, wengert::Array",
    "struct Bad { std::function<void()> f; };": r"function<void ?\(\)>",
    "class Bad { public: Bad() = default; wg::Array a; private: wg::Array b; };": r"Bad",
    "struct Base { wg::Array a; }; struct Bad : Base { wg::Array b; };": r"Bad",
    "class Base { public: virtual ~Base() = default; wg::Array a; };"
    "struct Bad { std::tuple<double, Base> t; };": r"Base",
}
USES = {
    "tree::flatten": "wg::tree::flatten(bad());",
    "tree::unflatten": "wg::tree::unflatten(bad(), {});",
    "tree::structure": "wg::tree::structure(bad());",
    "tree::map": "wg::tree::map([](const wg::Array& x) { return x; }, bad());",
    "grad": "wg::grad([](const Bad&) { return wg::Array(); })(bad());",
}


def compile_text(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "bad.cpp")
        path.write_text(text)
        result = subprocess.run(
            [COMPILER, "-std=c++20", "-fsyntax-only", f"-I{SOURCE}", str(path)],
            capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return result.returncode, result.stderr


def program(declaration, use):
    return ("#include <functional>\n#include <memory>\n#include \"wengert/wengert.hpp\"\n"
            f"namespace wg = wengert;\n{declaration}\nconst Bad& bad();\nvoid use() {{ {use} }}\n")


class NotATree(unittest.TestCase):
    def test_a_tree_compiles(self):
        status, errors = compile_text(program("struct Bad { wg::Array a; };", USES["tree::map"]))
        self.assertEqual(status, 0, errors)

    def test_one_error_names_the_type_and_the_cure(self):
        for (declaration, name), use in zip(TYPES.items(), itertools.cycle(USES)):
            with self.subTest(declaration=declaration, use=use):
                status, errors = compile_text(program(declaration, USES[use]))
                self.assertNotEqual(status, 0)
                lines = [line for line in errors.splitlines() if "error:" in line]
                self.assertEqual(len(lines), 1, errors)
                self.assertIn(CURE, lines[0])
                self.assertRegex(errors, r"(\[with T = |is_node<|T = ).*" + name)


if __name__ == "__main__":
    unittest.main()
