"""Every kernel text that the library is built with compiles under gcc 12 and clang 19, without a warning that means a
mistake; some of them all the way to machine code, which must not call into a library.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

BUILD = Path(os.environ["WENGERT_BINARY_DIR"])
COMPILERS = {"gcc": ["gcc"], "clang-19": ["clang-19"]}
FLAGS = ["-std=c11", "-Werror=implicit-function-declaration", "-Werror=int-conversion", "-Werror=incompatible-pointer-types",
         "-Werror=uninitialized", "-Werror=type-limits"]
ALLOWED = {"memcpy", "memset", "memmove", "memcmp"}


def run(command, folder):
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command[:8])} ...:\n{result.stderr[:4000]}")
    return result.stdout


def main():
    generator = BUILD / "wengert" / "prebuild_kernels"
    if not generator.exists():
        print("built without prebuilt kernels")
        return
    with tempfile.TemporaryDirectory() as folder:
        run([str(generator), "--texts", folder], folder)
        texts = sorted(path.name for path in Path(folder).glob("*.c"))
        assert len(texts) > 500, len(texts)
        for name, compiler in COMPILERS.items():
            run([*compiler, *FLAGS, "-fsyntax-only", *texts], folder)
            compiled = texts[::40]
            run([*compiler, "-std=c11", "-O2", "-ffreestanding", "-march=x86-64-v3", "-ffp-contract=off", "-fno-math-errno", "-w", "-c", *compiled], folder)
            objects = [text[:-2] + ".o" for text in compiled]
            undefined = {line.split()[-1] for line in run(["nm", "--undefined-only", *objects], folder).splitlines() if " U " in line}
            assert undefined <= ALLOWED, undefined
            print(f"{name}: {len(texts)} texts")


if __name__ == "__main__":
    main()
