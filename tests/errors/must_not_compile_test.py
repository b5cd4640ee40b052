"""Mistakes that the compiler can find must not compile, with one error that says what was wanted and names the type."""

import os
import pathlib
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["WENGERT_SOURCE_DIR"])
COMPILER = os.environ["WENGERT_CXX"]

# A mistake, the same without it, what the one error must say, and what the errors must name.
CASES = {
    "layer without a call operator": (
        "struct Scale { double factor = 2; };"
        "void use(const wg::Array& x) { wg::nn::sequential(wg::nn::Linear{2, 3}, Scale{})(x); }",
        "struct Scale { wg::Array operator()(const wg::Array& x) const { return x * 2; } };"
        "void use(const wg::Array& x) { wg::nn::sequential(wg::nn::Linear{2, 3}, Scale{})(x); }",
        "this layer has no call operator that takes an Array and returns one", r"Layer = Scale|call<Scale>"),
    "layer that returns no array": (
        "void use(const wg::Array& x) { wg::nn::sequential([](const wg::Array&) { return \"x\"; })(x); }",
        "void use(const wg::Array& x) { wg::nn::sequential([](const wg::Array& y) { return y; })(x); }",
        "this layer has no call operator that takes an Array and returns one", r"Layer = .*lambda|call<\(lambda"),
    "model without a call operator": (
        "struct Net { wg::nn::Linear layer; };"
        "void use(const wg::Array& x) { wg::nn::apply(Net{}, x); }",
        "struct Net { wg::nn::Linear layer; wg::Array operator()(const wg::Array& x) const { return layer(x); } };"
        "void use(const wg::Array& x) { wg::nn::apply(Net{}, x); }",
        "nn::apply: the model cannot be called with this input", r"Net = Net|apply<Net"),
    "loss that returns nothing": (
        "void use(const wg::Array& x) { wg::grad([](const wg::Array&) {})(x); }",
        "void use(const wg::Array& x) { wg::grad([](const wg::Array& y) { return y; })(x); }",
        "grad takes a function that returns a scalar Array", r"same_as<void, "),
    "loss that returns a number": (
        "void use(const wg::Array& x) { wg::grad([](const wg::Array& y) { return y.item<float>(); })(x); }",
        "void use(const wg::Array& x) { wg::grad([](const wg::Array& y) { return y * 2; })(x); }",
        "grad takes a function that returns a scalar Array", r"same_as<float, "),
    "loss that returns text and a tree": (
        "struct Text { std::string text; };"
        "void use(const wg::Array& x) { wg::value_and_grad([](const wg::Array&) { return Text(); })(x); }",
        "void use(const wg::Array& x) { wg::value_and_grad([](const wg::Array& y) { return std::pair(y, y); })(x); }",
        "grad takes a function that returns a scalar Array", r"same_as<Text, "),
    "argument that the call has not": (
        "void use(const wg::Array& x) { wg::grad<3>([](const wg::Array& a, const wg::Array& b) { return a * b; })(x, x); }",
        "void use(const wg::Array& x) { wg::grad<1>([](const wg::Array& a, const wg::Array& b) { return a * b; })(x, x); }",
        "grad<I...>: the call has no argument with this number", r"I = \{?3|, 3>"),
    "argument that is numbered twice": (
        "void use(const wg::Array& x) { wg::grad<1, 0, 1>([](const wg::Array& a, const wg::Array& b) { return a * b; })(x, x); }",
        "void use(const wg::Array& x) { wg::grad<1, 0>([](const wg::Array& a, const wg::Array& b) { return a * b; })(x, x); }",
        "grad<I...>: an argument's number is repeated: wanted each once", r"I = \{?1, 0, 1|, 1, 0, 1>"),
    "too few arguments": (
        "void use(const wg::Array& x) { wg::grad([](const wg::Array& a, const wg::Array& b) { return a * b; })(x); }",
        "void use(const wg::Array& x) { wg::grad([](const wg::Array& a, const wg::Array& b) { return a * b; })(x, x); }",
        "the function cannot be called with these arguments", r"lambda"),
    "too few arguments of a program": (
        "void use(const wg::Array& x) { wg::make_program([](const wg::Array& a, const wg::Array& b) { return a * b; })(x); }",
        "void use(const wg::Array& x) { wg::make_program([](const wg::Array& a, const wg::Array& b) { return a * b; })(x, x); }",
        "the function cannot be called with these arguments", r"lambda"),
    "assignment to elements": (
        "void use(wg::Array& x, const wg::Array& y) { x[0] = y; }",
        "void use(wg::Array& x, const wg::Array& y) { x = x.at(0).set(y); }",
        "x[...] = y would change a temporary array and not x", r"T = wengert::Array|<wengert::Array>"),
    "assignment of a number to elements": (
        "void use(wg::Array& x) { x[{0, wg::range()}] = 2.5; }",
        "void use(wg::Array& x) { x = x.at(0, wg::range()).set(2.5); }",
        "x[...] = y would change a temporary array and not x", r"T = double|<double>"),
}


def compile_text(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "mistake.cpp")
        path.write_text(f"#include \"wengert/wengert.hpp\"\nnamespace wg = wengert;\n{text}\n")
        result = subprocess.run([COMPILER, "-std=c++20", "-fsyntax-only", f"-I{SOURCE}", str(path)],
                                capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return result.returncode, result.stderr


class MustNotCompile(unittest.TestCase):
    def test_without_the_mistakes_everything_compiles(self):
        parts = [f"namespace part{number} {{ {right} }}" for number, (_, right, _, _) in enumerate(CASES.values())]
        status, errors = compile_text("\n".join(parts))
        self.assertEqual(status, 0, errors)

    def test_one_error_says_what_was_wanted(self):
        for name, (wrong, _, wanted, named) in CASES.items():
            with self.subTest(name):
                status, errors = compile_text(wrong)
                self.assertNotEqual(status, 0)
                lines = [line for line in errors.splitlines() if "error:" in line]
                self.assertEqual(len(lines), 1, errors)
                self.assertIn(wanted, lines[0])
                self.assertRegex(errors, named)


if __name__ == "__main__":
    unittest.main()
