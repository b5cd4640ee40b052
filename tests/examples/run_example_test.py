"""The comparison of examples with their records must notice what differs, and nothing else."""

import unittest

from run_example import difference, matches, updated, visible


class RunExampleTest(unittest.TestCase):
    def test_literal_lines_must_be_equal(self):
        self.assertTrue(matches("loss 0.5 (a+b)", "loss 0.5 (a+b)"))
        self.assertFalse(matches("loss 0.5", "loss 0.6"))
        self.assertFalse(matches("loss 0.5", "loss 0.5 "))

    def test_any_text(self):
        self.assertTrue(matches("took <*> s, loss 1", "took 12.5 s, loss 1"))
        self.assertFalse(matches("took <*> s, loss 1", "took 12.5 s, loss 2"))

    def test_numbers_within_a_distance(self):
        self.assertTrue(matches("loss <0.50 ± 0.02>, accuracy <90 ± 1>", "loss 0.519, accuracy 89.1"))
        self.assertFalse(matches("loss <0.50 ± 0.02>", "loss 0.521"))
        self.assertFalse(matches("loss <0.50 ± 0.02>", "loss -0.50"))
        self.assertFalse(matches("loss <0.50 ± 0.02>", "loss nan"))
        self.assertTrue(matches("<1e-05 ± 1e-05>", "3.2e-06"))

    def test_missing_and_additional_lines_are_differences(self):
        self.assertIsNone(difference(["a", "b"], ["a", "b"]))
        self.assertIn("line 2", difference(["a", "b"], ["a"]))
        self.assertIn("line 2", difference(["a"], ["a", "<*>"]))

    def test_a_progress_bar_leaves_its_last_state(self):
        self.assertEqual(visible("  1/2\r  2/2\nend\n"), ["  2/2", "end"])

    def test_lines_on_the_way_do_not_count(self):
        self.assertEqual(visible("epoch 1  step 3 of 4  loss 1  0:02 left\nepoch 1  loss 0.5  in 0:10\n"), ["epoch 1  loss 0.5  in 0:10"])
        self.assertEqual(visible("step 3 of 4\nnothing is left\n"), ["step 3 of 4", "nothing is left"])

    def test_updating_keeps_marks_that_still_match(self):
        self.assertEqual(updated(["took <*> s", "loss 1"], ["took 3 s", "loss 2"]), ["took <*> s", "loss 2"])


if __name__ == "__main__":
    unittest.main()
