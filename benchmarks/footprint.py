"""What the library costs before it computes anything: the time and memory to compile a user's program, the size of the
library, and how long a program takes from its start to the printed sum of two arrays.

    footprint.py build [c++ compiler]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent

SUM_OF_TWO_ARRAYS = """
#include <iostream>
#include "wengert/wengert.hpp"
int main() {
  const wengert::Array sum = wengert::array({1.f, 2.f}) + wengert::array({3.f, 4.f});
  for (float x : sum.to_vector<float>()) std::cout << x << '\\n';
}
"""


def measure(command, repetitions, environment=None):
    """The shortest time and processor time in seconds and the largest memory in bytes of that many runs."""
    seconds, processor_seconds, peak = [], [], 0
    for _ in range(repetitions):
        start = time.perf_counter()
        child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds.append(time.perf_counter() - start)
        processor_seconds.append(usage.ru_utime + usage.ru_stime)
        if child.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} ended with {child.returncode}")
        peak = max(peak, usage.ru_maxrss * 1024)
    return min(seconds), min(processor_seconds), peak


def main():
    build = Path(sys.argv[1]).resolve()
    compiler = sys.argv[2] if len(sys.argv) > 2 else "/usr/bin/g++"
    compile_flags = [compiler, "-std=c++20", "-O0", f"-I{SOURCE}"]

    def row(what, value, target):
        print(f"{what:<58} {value:>10} {target:>14}")

    row("", "measured", "at most")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        quickstart = SOURCE / "examples" / "quickstart.cpp"
        _, seconds, peak = measure([*compile_flags, "-c", quickstart, "-o", folder / "quickstart.o"], 3)
        row("compile examples/quickstart.cpp at -O0, processor time", f"{seconds:.2f} s", "3 s")
        row("memory of that compilation", f"{peak / 1e6:.0f} MB", "600 MB")

        stripped = folder / "libwengert.so"
        subprocess.run(["strip", "-o", stripped, build / "lib" / "libwengert.so"], check=True)
        row("libwengert.so, stripped", f"{stripped.stat().st_size / 1e6:.1f} MB", "15 MB")

        source, program = folder / "sum.cpp", folder / "sum"
        source.write_text(SUM_OF_TWO_ARRAYS)
        subprocess.run([*compile_flags, source, "-o", program, f"-L{build / 'lib'}", "-lwengert",
                        f"-Wl,-rpath,{build / 'lib'}"], check=True)
        environment = {**os.environ, "WENGERT_CACHE": str(folder / "cache")}
        seconds, _, peak = measure([program], 20, environment)
        row("start, add two arrays, print the sum, end", f"{seconds * 1e3:.1f} ms", "20 ms")
        row("memory of that program", f"{peak / 1e6:.0f} MB", "")
        loaded = subprocess.run([program], env={**environment, "LD_DEBUG": "files"}, capture_output=True, text=True, check=True)
        compiler = "LLVM" in loaded.stderr or "wengert_clang" in loaded.stderr
        row("compiler that it loads", "clang" if compiler else "none", "none")


if __name__ == "__main__":
    main()
