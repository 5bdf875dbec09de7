"""What the tests of tools/load_in_torch.py share: PyTorch, or the reason to skip, and the program.

A test ends with unittest.main(); its first argument is the program, or --skip-reason, and then it
only prints why it would be skipped, or nothing.
"""

import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # ctest: SKIP_RETURN_CODE
DEBIAN_PYTHON = "/usr/bin/python3"  # has Debian's packages, whichever python3 comes first in PATH

try:
    import torch
except ImportError as error:
    if sys.executable != DEBIAN_PYTHON and os.path.exists(DEBIAN_PYTHON):
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, *sys.argv])
    print(f"torch/load_in_torch* will be skipped: {error} (tools/install-deps torch installs it)")
    sys.exit(0 if sys.argv[1:] == ["--skip-reason"] else SKIPPED)

if sys.argv[1:] == ["--skip-reason"]:
    sys.exit()
torch.set_num_threads(1)
sys.path.insert(0, str(SOURCE / "tools"))  # load_in_torch, for whoever imports this
PROGRAM = os.path.abspath(sys.argv.pop(1))
FOLDER = tempfile.TemporaryDirectory()
FILE = os.path.join(FOLDER.name, "model.safetensors")


def run(*arguments, stdin=""):
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=FOLDER.name)


def must(*arguments, stdin="", codes=(0,)):
    done = run(*arguments, stdin=stdin)
    if done.returncode not in codes:
        raise AssertionError(f"separatrix {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def listed(kind):
    """Names of all constructions, models, blocks."""
    names = [entry["name"] for entry in json.loads(must("list", kind, "--json"))]
    assert names, f"the program lists no {kind}"
    return names


def choices(task):
    """Every word in the help of a text parameter, as the option that chooses it."""
    for entry in json.loads(must("list", "tasks", "--json")):
        for parameter in entry["parameters"]:
            if entry["name"] == task and parameter["type"] == "text":
                for word in re.findall(r"[\w-]+", parameter["help"]):
                    yield "--" + parameter["name"].replace("_", "-"), word


def flags(config):
    """A task's config as options of the command line."""
    for key, value in config.items():
        yield "--" + key.replace("_", "-")
        yield value if isinstance(value, str) else json.dumps(value)


def sample(task, length, config=None, count=12):
    """Instances as {"tokens": ..., "targets": ...}; a target of -1 is not asked."""
    options = ["--length", length, "--count", count, "--seed", 3, "--format", "jsonl"]
    text = must("sample", task, *options, *flags(config or {}))
    return [json.loads(line) for line in text.splitlines()]


def predicted(path, inputs):
    text = must("predict", path, stdin="".join(json.dumps({"tokens": t}) + "\n" for t in inputs))
    return [torch.tensor(json.loads(line)["logits"]) for line in text.splitlines()]


def written(change):
    """Path of a copy of FILE in which change(header, spec, body) has changed these."""
    data = pathlib.Path(FILE).read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + n]), bytearray(data[8 + n :])
    spec = json.loads(header["__metadata__"]["separatrix.spec"])
    change(header, spec, body)
    header["__metadata__"]["separatrix.spec"] = json.dumps(spec)
    text = json.dumps(header).encode()
    path = os.path.join(FOLDER.name, "changed.safetensors")
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path
