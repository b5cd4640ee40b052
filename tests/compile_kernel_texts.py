"""Kernels compile under gcc 12 and clang 19, without a warning that means a mistake: those that the library is built with
and those that the other tests asked for, which is why this test is the last one.

clang reads all of them. gcc, which takes a process for each, reads a share, and a smaller one goes all the way to machine
code with the options of wengert/backends/cpu/system_compiler.cpp; that must call into no library. The hash of a text, its
name, says whether it is in a share: the same texts are chosen everywhere, and others as kernels change.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUILD = Path(os.environ["WENGERT_BINARY_DIR"])
TEXTS = Path(os.environ["WENGERT_KERNEL_TEXTS"])
JOBS = 2
READ_BY_GCC = 1000  # texts, about
COMPILED = 80
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
        read += [["gcc", "-std=c11", "-fsyntax-only", *WARNINGS, *part] for part in slices(share(texts, READ_BY_GCC), 100)]
        list(pool.map(lambda command: run(command, folder), read))
        chosen = share(texts, COMPILED)
        objects = list(pool.map(lambda pair: compile_one(*pair, folder), [(c, t) for t in chosen for c in ("gcc", "clang-19")]))
        undefined = {line.split()[-1] for line in run(["nm", "--undefined-only", *objects], folder).splitlines() if " U " in line}
        assert undefined <= LIBRARY_CALLS, undefined
        print(f"{len(texts)} texts, {len(share(texts, READ_BY_GCC))} of them read by gcc too, {len(chosen)} compiled by both")


if __name__ == "__main__":
    main()
