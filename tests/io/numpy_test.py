"""NumPy reads what we write and we read what NumPy writes."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np

CONVERT = pathlib.Path(os.environ["WENGERT_BINARY_DIR"]) / "tests" / "io" / "convert"
DTYPES = ["?", "u1", "<i4", "<i8", "<f4", "<f8", ">i4", ">i8", ">f4", ">f8"]
SHAPES = [(), (1,), (7,), (0,), (2, 3), (3, 0, 2), (4, 1, 5), (2, 3, 2, 2), (1, 2, 1, 3, 1, 2, 1, 2)]


def arrays():
    random = np.random.default_rng(1)
    for dtype in DTYPES:
        for shape in SHAPES:
            bits = random.integers(0, 2 if dtype == "?" else 256, (*shape, np.dtype(dtype).itemsize), np.uint8)
            x = bits.view(dtype).reshape(shape)  # any bits, NaN too
            yield f"{dtype} {shape}", x
            yield f"{dtype} {shape} fortran", np.asfortranarray(x)


class NumPyTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def convert(self, *paths):
        subprocess.run([CONVERT, *paths], check=True)

    def assert_same(self, got, want):
        self.assertEqual(got.dtype, want.dtype.newbyteorder("<"))
        self.assertEqual(got.shape, want.shape)
        self.assertEqual(got.tobytes(), want.astype(want.dtype.newbyteorder("<")).tobytes())

    def test_npy(self):
        cases = list(arrays())
        paths = []
        for number, (_, x) in enumerate(cases):
            paths += [self.folder / f"{number}.npy", self.folder / f"{number}-again.npy"]
            np.save(paths[-2], x)
        self.convert(*paths)
        for (name, x), path in zip(cases, paths[1::2]):
            with self.subTest(name):
                self.assert_same(np.load(path), x)
                with open(path, "rb") as file:
                    self.assertEqual(np.lib.format.read_magic(file), (1, 0))
                    np.lib.format.read_array_header_1_0(file)
                    self.assertEqual(file.tell() % 64, 0)

    def test_npz(self):
        cases = dict(arrays())
        for save in (np.savez, np.savez_compressed):
            with self.subTest(save.__name__):
                save(self.folder / "in.npz", **cases)
                self.convert(self.folder / "in.npz", self.folder / "out.npz")
                with np.load(self.folder / "out.npz") as file:
                    self.assertEqual(sorted(file.files), sorted(cases))
                    for name in file.files:
                        self.assert_same(file[name], cases[name])
                    self.assertIsNone(file.zip.testzip())

    def test_many_entries(self):
        cases = {f"x{number}": np.int64(number) for number in range(70000)}  # more than 16 bits count
        np.savez(self.folder / "in.npz", **cases)
        self.convert(self.folder / "in.npz", self.folder / "out.npz")
        with np.load(self.folder / "out.npz") as file:
            self.assertEqual(len(file.files), 70000)
            self.assertEqual(file["x69999"], 69999)


if __name__ == "__main__":
    unittest.main()
