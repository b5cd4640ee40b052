"""What the examples leave behind and show: the files of `make demo`, its bar on a terminal, and three equal columns."""

import base64
import html.parser
import json
import os
import pathlib
import pty
import re
import struct
import subprocess
import tempfile
import termios
import unittest

EXAMPLES = pathlib.Path(os.environ["WENGERT_BINARY_DIR"]) / "examples"
IMAGES = pathlib.Path(os.environ.get("WENGERT_DATA", "/usr/share/datasets/fashion-mnist"))
NAMES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]


def run_on_terminal(command, folder):
    """What it writes to a pseudo-terminal."""
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 120))
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=end, stderr=end)
    os.close(end)
    text = b""
    try:
        while part := os.read(terminal, 1 << 16):
            text += part
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    if process.wait() != 0:
        raise AssertionError(text.decode())
    return text.decode()


class Page(html.parser.HTMLParser):
    """The texts of a page by the figures and tables that they stand in, and every reference to something else."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.captions, self.images, self.references, self.circles = [], [], [], [], 0
        self.inside = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.references += [value for name, value in attributes.items() if name in ("src", "href", "data", "xlink:href")]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
        elif tag == "figcaption":
            self.captions.append("")
        elif tag == "img":
            self.images.append(attributes)
        elif tag == "br" and "figcaption" in self.inside:
            self.captions[-1] += " "
        elif tag == "circle":
            self.circles += 1
        if tag not in ("img", "meta", "br"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, text):
        if "figcaption" in self.inside:
            self.captions[-1] += text
        elif "th" in self.inside or "td" in self.inside:
            self.tables[-1][-1][-1] += text


@unittest.skipUnless((EXAMPLES / "cnn").exists(), "built without examples")
@unittest.skipUnless(IMAGES.is_dir(), "dataset-fashion-mnist is not installed")
class DemoTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.shown = run_on_terminal([EXAMPLES / "cnn", "2", "1280"], cls.scratch.name)
        cls.folder = pathlib.Path(cls.scratch.name) / "out/fashion-mnist"
        cls.metrics = [json.loads(line) for line in (cls.folder / "metrics.jsonl").read_text().splitlines()]

    def test_metrics_have_one_line_an_epoch_with_five_numbers(self):
        self.assertEqual([line["epoch"] for line in self.metrics], [1, 2])
        for line in self.metrics:
            self.assertEqual(
                list(line), ["epoch", "loss", "accuracy", "test_accuracy", "images_per_second"])
            self.assertTrue(0 < line["loss"] < 3, line)  # of a guess among ten: 2.3
            self.assertTrue(0.1 < line["accuracy"] < 1, line)
            self.assertTrue(0.2 < line["test_accuracy"] < 0.9, line)
            self.assertTrue(1 < line["images_per_second"] < 1e6, line)
        self.assertLess(self.metrics[1]["loss"], self.metrics[0]["loss"])

    def test_the_bar_shows_epoch_loss_accuracy_speed_and_time_left(self):
        state = r"epoch (\d)/2 \[([#.]{24})\] loss (\d\.\d{4})  accuracy (\d+\.\d\d) %  (\d+) images/s  "
        underway = re.findall(rf"\r{state}(\d+:\d\d) left", self.shown)
        ends = re.findall(rf"\r{state}in (\d+:\d\d) *\r?\n", self.shown)
        self.assertTrue(underway, self.shown)
        self.assertIn(".", underway[0][1])
        self.assertEqual([(epoch, bar) for epoch, bar, *_ in ends], [("1", "#" * 24), ("2", "#" * 24)], self.shown)
        for (_, _, loss, accuracy, _, _), line in zip(ends, self.metrics):
            self.assertAlmostEqual(float(loss), line["loss"], delta=1e-4)
            self.assertAlmostEqual(float(accuracy), 100 * line["accuracy"], delta=1e-2)
        self.assertIn(f"test accuracy {100 * self.metrics[1]['test_accuracy']:.2f} %", self.shown)

    def test_the_report_stands_by_itself_and_shows_all(self):
        text = (self.folder / "report.html").read_text()
        self.assertNotRegex(text, r"https?:|@import|url\(|<script|<link|<iframe|<object")
        page = Page(text)
        self.assertTrue(all(reference.startswith("data:") for reference in page.references), page.references)

        facts = dict(page.tables[0])
        for name in ("test accuracy", "network", "training", "images", "time", "processor", "cores", "compiler", "Wengert"):
            self.assertTrue(facts.get(name), name)
        self.assertEqual(facts["test accuracy"], f"{100 * self.metrics[1]['test_accuracy']:.2f} %")
        self.assertEqual(facts["images"], "1280 for training, 10000 for the test")
        self.assertRegex(facts["time"], r"^\d+ s$")

        self.assertEqual(page.circles, 6, "loss, accuracy and test accuracy of two epochs")
        self.assertTrue(any("Loss" in caption for caption in page.captions))
        self.assertTrue(any("Accuracy" in caption for caption in page.captions))

        confusion = next(table for table in page.tables if table[0][1:11] == NAMES)
        self.assertEqual([row[0] for row in confusion[1:]], NAMES)
        counts = [[int(cell or 0) for cell in row[1:11]] for row in confusion[1:]]
        self.assertTrue(all(sum(row) == 1000 for row in counts), counts)
        right = sum(counts[i][i] for i in range(10))
        self.assertAlmostEqual(right / 10000, self.metrics[1]["test_accuracy"], delta=1e-9)

        pairs = [re.fullmatch(r"(.+?),? taken for (.+)", caption.strip()) for caption in page.captions if "taken for" in caption]
        self.assertEqual((len(page.images), len(pairs)), (40, 40))
        for image, pair in zip(page.images, pairs):
            self.assertIsNotNone(pair)
            true, predicted = pair.groups()
            self.assertTrue(true in NAMES and predicted in NAMES and true != predicted, pair[0])
            self.assertEqual(image["alt"], true)
            self.assertGreater(counts[NAMES.index(true)][NAMES.index(predicted)], 0, pair[0])
            png = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
            self.assertEqual((png[:8], struct.unpack(">II", png[16:24])), (b"\x89PNG\r\n\x1a\n", (28, 28)))

    def test_a_checkpoint_is_left(self):
        self.assertTrue((self.folder / "checkpoint.npz").is_file())


@unittest.skipUnless((EXAMPLES / "linear").exists(), "built without examples")
class LinearTest(unittest.TestCase):
    def test_the_three_ways_have_equal_numbers(self):
        text = subprocess.run([EXAMPLES / "linear"], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
        losses = [[float(x) for x in row] for row in re.findall(r"^ *\d+  +([\d.]+)  +([\d.]+)  +([\d.]+)$", text, re.M)]
        weights = [re.findall(r"-?\d+\.\d+", line) for line in text.splitlines() if line.startswith("by ")]
        self.assertEqual((len(losses), len(weights)), (9, 3), text)
        columns = list(zip(*losses)), [[float(x) for x in row] for row in weights]
        for by_hand, by_grad, by_nn in columns:
            for other in (by_grad, by_nn):  # of four digits, the last may be rounded another way
                self.assertTrue(all(abs(a - b) < 1.5e-4 for a, b in zip(by_hand, other, strict=True)), text)


if __name__ == "__main__":
    unittest.main()
