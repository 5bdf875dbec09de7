#!/usr/bin/env python3
"""Trains the models that `separatrix refute` must break, and times how it breaks them.

    bench/refute/refute_bench.py [PROGRAM] [FOLDER]

PROGRAM: the separatrix binary (build/release/separatrix); FOLDER: where models go (a temporary one).
Prints one line per model and method; fails if a model is not broken within 60 s. Checks every answer
with `separatrix predict`, which shares no code with the search.
"""

import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time

# An LSTM keeps 30 bits for 30 steps only if it is begun with open forget gates.
LSTM_OPEN = """
task: string-equality
length: 60
model:
  vocab_size: 3
  n_classes: 2
  d_model: 16
  positions: none
  norm: none
  layers: [{block: lstm, config: {forget_bias: 3}, residual: false}]
train: {steps: 9000, batch_size: 64, lr: 0.005, schedule: cosine, eval_every: 1000}
"""


def run(*command, allowed=(0,), stdin=None):
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, input=stdin)
    if done.returncode not in allowed:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def train(program, path, *arguments):
    out = json.loads(run(program, "train", *arguments, "--json", "--quiet", "-o", path, allowed=(0, 1)))
    print(f"{path.name}: accuracy {out['token_accuracy']:.4f} on fresh inputs, {out['step']} steps")
    return out["token_accuracy"]


def orthogonal_rnn(width=24, seed=1):
    """Tensors of an Elman network (tanh) whose recurrent matrix is random orthogonal."""
    rng = random.Random(seed)
    normal = lambda n, scale: [rng.gauss(0, scale) for _ in range(n)]
    rows = []
    for _ in range(width):
        row = normal(width, 1)
        for other in rows:
            product = sum(a * b for a, b in zip(row, other))
            row = [a - product * b for a, b in zip(row, other)]
        norm = sum(a * a for a in row) ** 0.5
        rows.append([a / norm for a in row])
    tensors = {
        "embedding": ([3, width], normal(3 * width, 1)),
        "layers.0.rnn.w_x": ([width, width], normal(width * width, width**-0.5)),
        "layers.0.rnn.w_h": ([width, width], [a for row in rows for a in row]),
        "layers.0.rnn.bias": ([width], normal(width, 0.1)),
        "head": ([width, 2], normal(2 * width, 1)),
        "head_bias": ([2], normal(2, 0.1)),
    }
    return tensors


def write_model(program, path):
    """Takes the header of a model that the program wrote for this spec, and puts our numbers in."""
    spec = path.with_suffix(".yaml")
    spec.write_text(
        "task: string-equality\nlength: 60\nmodel:\n  vocab_size: 3\n  n_classes: 2\n  d_model: 24\n"
        "  positions: none\n  norm: none\n  layers: [{block: rnn, residual: false}]\ntrain: {steps: 1}\n")
    run(program, "train", "--config", spec, "--quiet", "-o", path, allowed=(0, 1))
    data = bytearray(path.read_bytes())
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    for name, (shape, values) in orthogonal_rnn().items():
        assert header[name]["shape"] == shape, name
        struct.pack_into(f"<{len(values)}f", data, 8 + size + header[name]["data_offsets"][0], *values)
    path.write_bytes(data)


def verify(program, path, found):
    """The model's own answer to the input."""
    line = run(program, "predict", path, stdin=json.dumps({"tokens": found["tokens"]}) + "\n")
    given = json.loads(line)["prediction"][found["position"]]
    assert given == found["given"] != found["expected"], (given, found)


def attack(program, path, methods):
    for method in methods:
        start = time.monotonic()
        found = json.loads(run(program, "refute", path, "--seconds", "60", "--json", "--quiet",
                               *(["--method", method] if method else []), allowed=(0, 1)))
        seconds = time.monotonic() - start
        if found["found"]:
            verify(program, path, found)
        outcome = "broken" if found["found"] else "nothing found"
        print(f"  {method or 'all':18} {outcome:14} {seconds:6.2f} s  {found['effort'][-1]['words']}")
        if not method and (not found["found"] or seconds > 60):
            sys.exit("not broken within 60 s")


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "build/release/separatrix"
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    recurrent = [None, "adversarial", "forgetting", "nearest-pair"]
    attention = [None, "adversarial", "one-layer-summary"]

    path = folder / "lstm-lookup.safetensors"
    train(program, path, "index-lookup", "--length", "50", "--model", "lstm", "--d-model", "16",
          "--lr", "0.005", "--steps", "1500")
    attack(program, path, recurrent)

    path = folder / "lstm-equality.safetensors"
    (folder / "lstm.yaml").write_text(LSTM_OPEN)
    assert train(program, path, "--config", folder / "lstm.yaml") > 0.95
    attack(program, path, recurrent)

    path = folder / "lstm-interleaved.safetensors"
    assert train(program, path, "string-equality", "--length", "60", "--layout", "interleaved", "--model",
                 "lstm", "--d-model", "16", "--lr", "0.01", "--batch-size", "128") > 0.95
    attack(program, path, recurrent)

    path = folder / "transformer-equality.safetensors"
    train(program, path, "string-equality", "--length", "60", "--model", "transformer", "--d-model", "64",
          "--heads", "4", "--steps", "10000")
    attack(program, path, attention)

    path = folder / "orthogonal.safetensors"
    write_model(program, path)
    attack(program, path, recurrent)


if __name__ == "__main__":
    main()
