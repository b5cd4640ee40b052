"""Kernels compile under gcc 12 and clang 19, without a warning that means a mistake: those that the library is built with
and those that the other tests asked for, which is why this test is the last one.

Both read all of them. clang takes many files in one process; gcc takes a process for each, so its texts are joined. A share
goes all the way to machine code under both, with the options of wengert/backends/cpu/system_compiler.cpp; that must call
into no library. The hash of a text, its name, says whether it is in the share and for which machine: the same texts are
chosen everywhere, and others as kernels change.
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUILD = Path(os.environ["WENGERT_BINARY_DIR"])
TEXTS = Path(os.environ["WENGERT_KERNEL_TEXTS"])
JOBS = 2
COMPILED = 80  # texts, about
# Sizes and coordinates that a kernel does not need are unused variables; x != x is how it asks for NaN.
WARNINGS = ["-Wall", "-Werror", "-Wno-unused-variable", "-Wno-unused-but-set-variable", "-Wno-tautological-compare",
            "-Werror=implicit-function-declaration", "-Werror=int-conversion", "-Werror=incompatible-pointer-types", "-Werror=type-limits"]
OPTIONS = ["-std=c11", "-O3", "-w", "-fPIC", "-ffreestanding", "-nostdlib", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
           "-fwrapv"]
LEVELS = [["-march=x86-64"], ["-march=x86-64-v3"], ["-march=x86-64-v4", "-mprefer-vector-width=512"]]
LIBRARY_CALLS = {"memcpy", "memset", "memmove", "memcmp"}  # that compilers make of loops


def run(command, folder):
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command[:12]))} ...:\n{result.stderr[:4000]}")
    return result.stdout


def collect(folder):
    """All texts in one folder; of those that tests wrote down, the ones that this build asked for."""
    generator = BUILD / "wengert" / "prebuild_kernels"
    if generator.exists():
        run([generator, "--texts", folder], folder)
    built = (BUILD / "lib" / "libwengert.so").stat().st_mtime
    asked = 0
    for path in TEXTS.glob("*.c"):
        if path.stat().st_mtime < built:
            path.unlink()
            continue
        asked += 1
        target = folder / path.name
        if not target.exists():
            target.symlink_to(path)
    assert asked > 1000, f"{asked} kernels that other tests asked for: run all tests, of which this is the last"
    return sorted(path.name for path in folder.glob("*.c"))


def share(texts, count):
    every = -(-len(texts) // count)
    return [text for text in texts if int(text[:8], 16) % every == 0]


def slices(texts, length):
    return [texts[i : i + length] for i in range(0, len(texts), length)]


def joined(texts, folder):
    """A file that gcc reads as if it read these texts one by one: the declarations that all begin with stand there once, and
    what a text defines bears its number. Errors name the text and its line."""
    contents = [(folder / text).read_text() for text in texts]
    end = "#endif\n"
    preamble = contents[0][: contents[0].index(end) + len(end)]
    shared = set(re.findall(r"\bwg_\w+", preamble))
    parts, lines = [preamble], preamble.count("\n")
    for number, (text, content) in enumerate(zip(texts, contents)):
        assert content.startswith(preamble), f"{text} begins with other declarations than {texts[0]}"
        own = re.sub(r"\bwg_\w+", lambda name: name[0] if name[0] in shared else f"{name[0]}_{number}", content[len(preamble) :])
        parts.append(f'#line {lines + 1} "{text}"\n{own}')
    (folder / f"joined-{texts[0]}").write_text("\n".join(parts))
    return f"joined-{texts[0]}"


def compile_one(compiler, text, folder):
    level = LEVELS[int(text[8:16], 16) % len(LEVELS)]
    target = f"{text[:-2]}.{compiler}.o"
    run([compiler, *OPTIONS, *level, "-c", "-o", target, text], folder)
    return target


def main():
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(JOBS) as pool:
        folder = Path(name)
        texts = collect(folder)
        read = [["clang-19", "-cc1", "-std=c11", "-fsyntax-only", *WARNINGS, *part] for part in slices(texts, 500)]
        read += [["gcc", "-std=c11", "-fsyntax-only", *WARNINGS, joined(part, folder)] for part in slices(texts, 500)]
        list(pool.map(lambda command: run(command, folder), read))
        chosen = share(texts, COMPILED)
        objects = list(pool.map(lambda pair: compile_one(*pair, folder), [(c, t) for t in chosen for c in ("gcc", "clang-19")]))
        undefined = {line.split()[-1] for line in run(["nm", "--undefined-only", *objects], folder).splitlines() if " U " in line}
        assert undefined <= LIBRARY_CALLS, undefined
        print(f"{len(texts)} texts, {len(chosen)} of them compiled to machine code by both")


if __name__ == "__main__":
    main()
