"""Runs PyTorch beside Wengert in one run: the same inputs and parameters, answers checked first, the two taking turns.
Prints ours, theirs and the ratio, with the target of each. Times are the shortest of all rounds.

    compare.py [--build build] [--rounds 3] [--seconds 1.5] [eager] [operations] [train] [costs]

Targets against PyTorch are ratios of times (theirs / ours); those of large arrays are shares of the C triad's bandwidth,
bytes counted without write-allocate; those of products are shares of the speed of oneDNN called directly, and of the
bandwidth of reading. Costs are the time of compiling kernels and starting programs, and sizes.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
SIDE = 4096
OPERATIONS = ["add", "exp", "tanh", "gelu", "softmax", "layer_norm", "matvec", "matmul 256", "matmul 1024", "matmul 2048"]


# PyTorch's side: what workloads.cpp does, printed in the same form --------------------------------------------------


def best_seconds(f, budget, calls=1):
    f()
    best, start, rounds = math.inf, time.perf_counter(), 0
    while rounds < 3 or time.perf_counter() - start < budget:
        turn = time.perf_counter()
        for _ in range(calls):
            f()
        best = min(best, (time.perf_counter() - turn) / calls)
        rounds += 1
    return best


def report(name, value):
    print(f"{name}\t{value:.9g}", flush=True)


def torch_eager(budget):
    import torch

    torch.set_num_threads(1)
    x, y = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.5, 0.25, 0.125, 1.0])
    long_x, long_y = torch.ones(1024), torch.ones(1024)

    def gradient():
        w = x.detach().requires_grad_()
        (torch.tanh(w * x) + y).sum().backward()
        return w.grad

    functions = {"x + y, 4": (lambda: x + y, 500), "x + y, 1024": (lambda: long_x + long_y, 500),
                 "grad of sum(tanh(w*x)+y), 4": (gradient, 100)}
    for name, (f, calls) in functions.items():
        if budget:
            report(name, best_seconds(f, budget, calls))
        else:
            for i, value in enumerate(f()[:4].tolist()):
                report(f"answer {i} of {name}", value)


def torch_operations(threads, folder, budget):
    import numpy
    import torch

    torch.set_num_threads(threads)
    read = lambda name: torch.from_numpy(numpy.fromfile(folder / name, numpy.float32))
    x, y = read("x.bin").reshape(SIDE, SIDE), read("y.bin").reshape(SIDE, SIDE)
    v = y[0].clone()
    functions = {
        "add": lambda: x + y,
        "exp": lambda: torch.exp(x),
        "tanh": lambda: torch.tanh(x),
        "gelu": lambda: torch.nn.functional.gelu(x),
        "softmax": lambda: torch.softmax(x, -1),
        "layer_norm": lambda: torch.nn.functional.layer_norm(x, (SIDE,)),
        "matvec": lambda: x @ v,
    }
    for size in (256, 1024, 2048):
        a, b = x.flatten()[: size * size].reshape(size, size).clone(), y.flatten()[: size * size].reshape(size, size).clone()
        functions[f"matmul {size}"] = lambda a=a, b=b: a @ b
    for name, f in functions.items():
        if budget:
            report(name, best_seconds(f, budget))
            continue
        theirs = f().flatten()
        difference = ((theirs - read(f"{name}.ours.bin")).abs() / (1 + theirs.abs())).max().item()
        if not difference < 2e-4:
            sys.exit(f"{name}: answers differ by {difference}")


def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return 1024 * int(line.split()[1])


def torch_train(model, threads, folder, budget, best_form):
    import numpy
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    before = status("VmRSS:")
    if model == "mlp":
        net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
        shape = (128, 784)
    else:
        net = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(),
                            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 36, 128), nn.ReLU(), nn.Linear(128, 10))
        shape = (128, 1, 28, 28)
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            values = torch.from_numpy(numpy.fromfile(folder / f"{i}.bin", numpy.float32))
            linear = p.dim() == 2
            p.copy_(values.reshape(p.shape[1], p.shape[0]).T if linear else values.reshape(p.shape))
    x = torch.from_numpy(numpy.fromfile(folder / "x.bin", numpy.float32)).reshape(shape)
    y = (torch.arange(128) * 7 + 3) % 10
    if best_form and model == "cnn":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(net.parameters(), 1e-3, fused=best_form)
    value = 0.0

    def step():
        nonlocal value
        adam.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        adam.step()
        value = loss.item()

    start = time.perf_counter()
    step()
    report("first step", time.perf_counter() - start)
    for _ in range(3):
        step()
    report("answer loss after four steps", value)
    if budget:
        report("step", best_seconds(step, budget))
    report("memory", status("VmHWM:") - before)


# Both, taking turns -------------------------------------------------------------------------------------------------


def run(command):
    output = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: float(value) for name, value in (line.split("\t") for line in output.splitlines())}


class Comparison:
    def __init__(self, options):
        self.options = options
        self.benchmarks = SOURCE / options.build / "benchmarks"
        self.ours = [self.benchmarks / "workloads"]
        self.theirs = [sys.executable, __file__, "--worker"]

    def measure(self, seconds, *competitors):
        """The least of every number of each competitor over all rounds, after their answers were found to agree. A
        competitor is a function from the seconds to spend to a command; without seconds it gives answers."""
        numbers = [run(command(0)) for command in competitors]
        answers = [{name: value for name, value in each.items() if name.startswith("answer")} for each in numbers]
        for other in answers[1:]:
            if other.keys() != answers[0].keys():
                sys.exit(f"answers to {answers[0].keys()}, wanted {other.keys()}")
            for name, value in other.items():
                if not abs(value - answers[0][name]) <= 1e-4 * (1 + abs(value)):
                    sys.exit(f"{name[7:]}: {answers[0][name]}, wanted {value}")
        best = [{} for _ in competitors]
        for _ in range(self.options.rounds):
            for numbers, command in zip(best, competitors):
                for name, value in run(command(seconds)).items():
                    numbers[name] = min(value, numbers.get(name, math.inf))
        return best

    def eager(self):
        ours, theirs = self.measure(0.3, lambda s: [*self.ours, "eager", s], lambda s: [*self.theirs, "eager", s])
        print(f"\n{'latency on one thread, ns':<34}{'Wengert':>10}{'PyTorch':>10}{'ratio':>8}   target")
        for name, target in zip(ours, ("40 ns", "100 ns", "500 ns")):
            print(f"{name:<34}{1e9 * ours[name]:>10.0f}{1e9 * theirs[name]:>10.0f}{theirs[name] / ours[name]:>8.1f}   {target}")

    def operations(self):
        for threads in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                ours, theirs, direct = self.measure(self.options.seconds / 3,
                                                    lambda s: [*self.ours, "operations", threads, folder, s],
                                                    lambda s: [*self.theirs, "operations", threads, folder, s],
                                                    lambda s: [*self.ours, "direct", threads, folder, s])
            unit = SIDE * SIDE * 4
            bandwidth = {"triad": 3 * unit / direct["triad"], "reading": unit / direct["reading"]}
            print(f"\n4096 x 4096 float32, {threads} thread(s), GB/s{'':<8}{'Wengert':>10}{'PyTorch':>10}{'ratio':>8}{'share':>8}   target")
            for name, bytes_per_second in bandwidth.items():
                print(f"{name + ' in C':<42}{bytes_per_second / 1e9:>10.1f}")
            for name in OPERATIONS[:7]:
                moved = unit * {"add": 3, "matvec": 1}.get(name, 2)
                limit = "reading" if name == "matvec" else "triad"
                print(f"{name:<42}{moved / ours[name] / 1e9:>10.1f}{moved / theirs[name] / 1e9:>10.1f}"
                      f"{theirs[name] / ours[name]:>8.2f}{moved / ours[name] / bandwidth[limit]:>8.0%}   85 % of {limit}")
            print(f"{'products, GFLOP/s':<42}{'Wengert':>10}{'PyTorch':>10}{'ratio':>8}{'oneDNN':>10}{'share':>8}   target")
            for name in OPERATIONS[7:]:
                work = 2 * int(name.split()[1]) ** 3 / 1e9
                print(f"{name:<42}{work / ours[name]:>10.1f}{work / theirs[name]:>10.1f}{theirs[name] / ours[name]:>8.2f}", end="")
                if name in direct:
                    print(f"{work / direct[name]:>10.1f}{direct[name] / ours[name]:>8.0%}   97 % of oneDNN", end="")
                print()

    def train(self):
        print(f"\n{'training step, two threads':<34}{'Wengert':>10}{'PyTorch':>10}{'best form':>10}{'ratio':>8}   target")
        for model, target in (("mlp", "1.5 x eager"), ("cnn", "1.0 x best form, aim 1.3")):
            with tempfile.TemporaryDirectory() as folder:
                ours, eager, best = self.measure(self.options.seconds,
                                                 lambda s: [*self.ours, "train", model, 2, folder, s],
                                                 lambda s: [*self.theirs, "train", model, 2, folder, s],
                                                 lambda s: [*self.theirs, "train", model, 2, folder, s, "best"])
            peer = eager if model == "mlp" else best
            for name, unit, scale in (("step", "ms", 1e3), ("first step", "ms", 1e3), ("memory", "MiB", 2**-20)):
                print(f"{model + ', ' + name + ', ' + unit:<34}{scale * ours[name]:>10.2f}{scale * eager[name]:>10.2f}"
                      f"{scale * best[name]:>10.2f}{peer[name] / ours[name]:>8.2f}   "
                      f"{target if name == 'step' else 'at most theirs' if name == 'memory' else ''}")

    def costs(self):
        output = subprocess.run([self.benchmarks / "compile_benchmark", "--benchmark_filter=/clang/", "--benchmark_format=json",
                                 f"--benchmark_repetitions={self.options.rounds}"], check=True, stdout=subprocess.PIPE).stdout
        least = {}
        for row in json.loads(output)["benchmarks"]:
            if row["run_type"] == "iteration":
                key = row["name"].split("/")[0], row["label"]
                least[key] = min(row["real_time"], least.get(key, math.inf))
        kernels = list(dict.fromkeys(label for _, label in least))
        print(f"\n{'from the text of a kernel to code, ms':<42}{''.join(f'{kernel:>20}' for kernel in kernels)}   target")
        for way, name, target in (("first", "first in a process, clang loaded", 80), ("later", "later", 30),
                                  ("disk", "first, from the disk cache", 1)):
            print(f"{name:<42}{''.join(f'{least[way, kernel]:>20.2f}' for kernel in kernels)}   {target} ms")
        print(flush=True)
        subprocess.run([sys.executable, SOURCE / "benchmarks" / "footprint.py", SOURCE / self.options.build], check=True)


def main():
    if sys.argv[1:2] == ["--worker"]:
        command, *arguments = sys.argv[2:]
        if command == "eager":
            torch_eager(float(arguments[0]))
        elif command == "operations":
            torch_operations(int(arguments[0]), Path(arguments[1]), float(arguments[2]))
        else:
            torch_train(arguments[0], int(arguments[1]), Path(arguments[2]), float(arguments[3]), len(arguments) > 4)
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", default=["eager", "operations", "train", "costs"])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    options = parser.parse_args()
    comparison = Comparison(options)
    for what in options.what:
        getattr(comparison, what)()


if __name__ == "__main__":
    main()
