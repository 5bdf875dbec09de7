#!/usr/bin/env python3
"""tools/load_in_torch.py refuses what the program refuses, and says what is wrong.

    load_in_torch_files_test.py PROGRAM    needs PyTorch; without it says so and exits with 77
"""

import math
import os
import pathlib
import random
import struct
import unittest

from program import FILE, FOLDER, must, run, written
import load_in_torch
from load_in_torch import LoadError, load


class WrongFiles(unittest.TestCase):
    def test_wrong_specs(self):
        must("construct", "index-lookup-transformer", "--length", 5, "-o", FILE)
        load(written(lambda *_: None))

        def layer(**changes):
            return lambda header, spec, body: spec["layers"][0].update(changes)

        def config(**changes):
            return lambda header, spec, body: spec["layers"][0]["config"].update(changes)

        def top(**changes):
            return lambda header, spec, body: spec.update(changes)

        for change, message in [
            (layer(block="tape"), "unknown block 'tape'"),
            (layer(config=3), "config cannot be 3"),
            (config(n_heads=0), "0 heads"),
            (config(n_heads=2), "the spec says"),
            (config(n_heads=2.0), "n_heads cannot be 2.0"),
            (config(d_head=2**31 - 1), "the spec says"),
            (config(d_head=2**31), "d_head cannot be"),
            (config(scale="half"), "scale cannot be"),
            (config(horizon=3), "unknown key 'horizon'"),
            (top(norm="batch"), "norm cannot be"),
            (top(norm="layer"), "'layers.0.norm.gain' is no tensor"),
            (top(positions="none"), "'positions' is not in the spec"),
            (top(d_model=2**31 - 1, vocab_size=2**31 - 1), "more than any file holds"),
            (top(max_length=0), "max_length is below 1"),
            (top(layers={}), "layers cannot be"),
            (lambda h, *_: h["__metadata__"].update({"separatrix.format": "2"}), "format"),
            (lambda h, *_: h["head"].update(dtype="F64"), "F32"),
            (lambda h, *_: h.pop("head_bias"), "belong to no tensor|a gap"),
        ]:
            with self.subTest(message):
                with self.assertRaisesRegex(LoadError, message):
                    load(written(change))
        with self.assertRaisesRegex(LoadError, "a key appears twice"):
            load_in_torch.parse_json('{"x": 0, "x": 0}', "it")

    def test_damaged_files_are_refused_as_by_the_program(self):
        must("construct", "shift-register-rnn", "--length", 2, "--alphabet", 2, "-o", FILE)
        data, rng = pathlib.Path(FILE).read_bytes(), random.Random(1)
        (n,) = struct.unpack("<Q", data[:8])
        path, verdicts = os.path.join(FOLDER.name, "damaged.safetensors"), []
        for i in range(120):
            changed = bytearray(data)
            if i % 10 == 0:  # cut, or lengthened
                changed = changed[: rng.randrange(len(data))] if i % 20 else changed + b"\0\0\0\0"
            elif i % 10 == 1:  # a value that is not finite
                at = 8 + n + 4 * rng.randrange((len(data) - 8 - n) // 4)
                value = rng.choice([math.inf, -math.inf, math.nan])
                changed[at : at + 4] = struct.pack("<f", value)
            else:  # a letter or digit of the header
                at = 8 + rng.randrange(n)
                while data[at : at + 1] in b" ":
                    at = 8 + rng.randrange(n)
                changed[at] = rng.choice(b"0123456789\"{}[]:,aeinotE.-\\\xff")
            pathlib.Path(path).write_bytes(changed)
            try:
                load(path)
                verdicts.append(True)
            except LoadError:
                verdicts.append(False)
            done = run("predict", path)
            self.assertEqual(verdicts[-1], done.returncode == 0, f"change {i}: {done.stderr}")
        self.assertGreater(verdicts.count(False), 60)
        self.assertGreater(verdicts.count(True), 3)


if __name__ == "__main__":
    unittest.main()
