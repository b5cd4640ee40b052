"""A run that is killed at any moment and resumed ends with the same bits as one that was left alone."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest

import numpy

BUILD = pathlib.Path(os.environ["WENGERT_BINARY_DIR"])
TRAINER = BUILD / "tests" / "io" / "trainer"
KILLS = 20
EPOCHS = 6


def start(*command):
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    output, errors = process.communicate(timeout=300)
    if process.returncode != 0:
        raise AssertionError(f"{process.args} ended with {process.returncode}: {output}{errors}")
    return output


def state(folder):
    """Every array of the checkpoint as bytes, without the times in it."""
    with numpy.load(folder / "checkpoint.npz") as file:
        arrays = {name: file[name] for name in file.files if name != "checkpoint.json"}
    del arrays["log.seconds"]
    arrays["log.history"] = arrays["log.history"][:, :4]  # without images per second
    return {name: (str(x.dtype), x.shape, x.tobytes()) for name, x in arrays.items()}


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["images_per_second"]
    return lines


class ResumeTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def make(self, name):
        (self.folder / name).mkdir()
        return self.folder / name

    def test_killed_at_random_moments(self):
        whole = self.make("whole")
        finish(start(TRAINER, whole, 1))  # compiles its kernels
        process = start(TRAINER, whole, EPOCHS)
        began = time.monotonic()
        process.stdout.readline()
        trains = time.monotonic()
        finish(process)
        starting, training = trains - began, time.monotonic() - trains
        want = state(whole)
        self.assertIn("net.norm.mean.value", want)  # state that is no parameter is kept as well
        self.assertEqual([line["epoch"] for line in metrics(whole)], list(range(1, EPOCHS + 1)))

        random.seed(1)
        killed = self.make("killed")
        kills, places = 0, set()
        while kills < KILLS:
            process = start(TRAINER, killed, EPOCHS, *(["--resume"] if (killed / "checkpoint.npz").exists() else []))
            try:  # half of them after the first batch, since most of the time may pass before it
                latest = training / 3
                if kills % 2 == 0:
                    process.stdout.readline()
                else:
                    latest += starting
                process.wait(timeout=random.uniform(0, latest))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            process.communicate()
            self.assertIn(process.returncode, (0, -signal.SIGKILL))
            if process.returncode == 0:  # done before all kills: compare, and once more
                self.assertEqual(state(killed), want)
                (killed / "checkpoint.npz").unlink()
            elif (killed / "checkpoint.npz").exists():
                with numpy.load(killed / "checkpoint.npz") as file:
                    places.add((int(file["log.epoch"]), int(file["log.batch"])))
        finish(start(TRAINER, killed, EPOCHS, *(["--resume"] if (killed / "checkpoint.npz").exists() else [])))
        self.assertGreater(len(places), KILLS // 4, "the kills did not stop it at different places")
        self.assertEqual(state(killed), want)
        self.assertEqual(metrics(killed), metrics(whole))

    def test_interrupted(self):
        whole, stopped = self.make("whole"), self.make("stopped")
        finish(start(TRAINER, whole, EPOCHS))
        process = start(TRAINER, stopped, EPOCHS)
        self.assertEqual(process.stdout.readline(), "begun\n")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertLess(len(metrics(stopped)), EPOCHS)
        finish(start(TRAINER, stopped, EPOCHS, "--resume"))
        self.assertEqual(state(stopped), state(whole))
        self.assertEqual(metrics(stopped), metrics(whole))


@unittest.skipUnless((BUILD / "examples" / "cnn").exists(), "the examples are not built")
class ExamplesTest(ResumeTest):
    test_killed_at_random_moments = test_interrupted = None

    def interrupt(self, process, folder, signal_number):
        """Sends it once the checkpoint stands and some batches are done."""
        while not (folder / "checkpoint.npz").exists():
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal_number)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output

    def check(self, name, epochs, images):
        example = BUILD / "examples" / name
        whole, stopped = self.make("whole"), self.make("stopped")
        want = finish(start(example, epochs, images, whole))
        status, output = self.interrupt(start(example, epochs, images, stopped), stopped, signal.SIGINT)
        self.assertEqual(status, 130)
        self.assertRegex(output, r"stopped; \S+ .*--resume goes on")
        status, _ = self.interrupt(start(example, epochs, images, stopped, "--resume"), stopped, signal.SIGKILL)
        self.assertEqual(status, -signal.SIGKILL)
        got = finish(start(example, epochs, images, stopped, "--resume"))
        self.assertEqual(state(stopped), state(whole))
        accuracy = re.compile(r"test accuracy \S+ %")
        self.assertEqual(accuracy.findall(got), accuracy.findall(want))
        return whole, stopped

    def test_mlp(self):
        self.check("mlp", 20, 6400)

    def test_cnn(self):
        whole, stopped = self.check("cnn", 2, 3840)
        self.assertEqual([line["epoch"] for line in metrics(whole)], [1, 2])
        self.assertEqual(metrics(stopped), metrics(whole))
        times = re.compile(r"<th>time</th><td>\d+ s|(?<= %</td>)<td>\d+(?=</td></tr>)")  # spent in all; images a second
        page, other = (times.sub("", (folder / "report.html").read_text()) for folder in (whole, stopped))
        self.assertEqual(page, other)

    def test_another_training_set_is_refused(self):
        folder = self.make("run")
        finish(start(BUILD / "examples" / "mlp", 1, 256, folder))
        process = start(BUILD / "examples" / "mlp", 2, 512, folder, "--resume")
        _, errors = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(errors, rf"^mlp: load_checkpoint: {folder}/checkpoint.npz: images: was 256 and is 512: "
                                 r"wanted the value that was saved; [^;]*; called at mlp.cpp:\d+\n$")

    def test_wrong_arguments_harm_no_run(self):
        folder = self.make("run")
        finish(start(BUILD / "examples" / "mlp", 1, 256, folder))
        before = state(folder)
        for arguments in (["--help"], ["many"], ["0"], [1, 256, folder, "more"]):
            process = start(BUILD / "examples" / "mlp", *arguments)
            _, errors = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 1)
            self.assertIn("wanted [epochs] [images] [folder] [--resume]", errors)
        self.assertEqual(state(folder), before)
        output = finish(start(BUILD / "examples" / "mlp", 1, 128, folder))   # begins anew
        self.assertIn("is kept as *.old", output)
        (folder / "checkpoint.npz.old").rename(folder / "checkpoint.npz")
        self.assertEqual(state(folder), before)


if __name__ == "__main__":
    unittest.main()
