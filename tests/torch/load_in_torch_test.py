#!/usr/bin/env python3
"""tools/load_in_torch.py computes what the program computes.

    load_in_torch_test.py PROGRAM          needs PyTorch; without it says so and exits with 77
    load_in_torch_test.py --skip-reason    prints why it would be skipped, or nothing

What to test is asked of the program: every construction, every family of models, every block.
Logits may differ from those of `separatrix predict` by ULPS ulps of the largest absolute sum: the
largest sum of absolute terms, |x_1 w_1| + ... + |b|, of any sum that the model forms on these
inputs (projections, scores, averages, norms, residuals); an ulp of s is 2^-23 s. Both sides round
float32 sums in their own order, and errors of that size are what the logits inherit.
"""

import contextlib
import io
import json
import math
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # ctest: SKIP_RETURN_CODE
DEBIAN_PYTHON = "/usr/bin/python3"  # has Debian's packages, whichever python3 comes first in PATH
ULPS = 16

try:
    import torch
    from torch.nn import functional as F

    sys.path.insert(0, str(SOURCE / "tools"))
    import load_in_torch
    from load_in_torch import LoadError, load
except ImportError as error:
    if sys.executable != DEBIAN_PYTHON and os.path.exists(DEBIAN_PYTHON):
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, *sys.argv])
    print(f"torch/load_in_torch will be skipped: {error} (tools/install-deps torch installs it)")
    sys.exit(0 if sys.argv[1:] == ["--skip-reason"] else SKIPPED)

if sys.argv[1:] == ["--skip-reason"]:
    sys.exit()
torch.set_num_threads(1)
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
    entries = [entry["name"] for entry in json.loads(must("list", kind, "--json"))]
    assert entries, f"the program lists no {kind}"
    return entries


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


# ------------------------------------------------------------------------------ how large sums are


def largest_absolute_sum(model, inputs):
    """Over all inputs, computed in double: see the top of this file."""
    model, largest = model.double(), 0.0

    def see(sums):
        nonlocal largest
        largest = max(largest, sums.max().item())

    def linear(module, x, weight, bias):
        see(F.linear(x.abs(), weight.abs(), None if bias is None else bias.abs()))

    def after(module, arguments, y):
        x = arguments[0]
        if isinstance(module, torch.nn.Linear):
            linear(module, x, module.weight, module.bias)
        elif isinstance(module, load_in_torch.Attention):
            q, k = (f(x).abs().unflatten(-1, (module.n_heads, -1)) for f in (module.q, module.k))
            see(torch.einsum("bihd,bjhd->bhij", q, k) / module.divisor)
        elif isinstance(module, torch.nn.RNNBase):
            linear(module, x, module.weight_ih_l0, module.bias_ih_l0)
            linear(module, y, module.weight_hh_l0, module.bias_hh_l0)
        elif isinstance(module, (load_in_torch.LayerNorm, load_in_torch.RmsNorm)):
            centred = isinstance(module, load_in_torch.LayerNorm)
            mean = x.mean(-1, keepdim=True) if centred else torch.zeros(1)
            root = ((x - mean).square().mean(-1, keepdim=True) + load_in_torch.EPSILON).sqrt()
            see((x.abs() + mean.abs()) / root * module.weight.abs())
        elif isinstance(module, load_in_torch.Layer):
            see(x.abs() + y.abs())

    hooks = [part.register_forward_hook(after) for part in model.modules()]
    with torch.no_grad():
        for tokens in inputs:
            model(torch.tensor(tokens))
    for hook in hooks:
        hook.remove()
    model.float()
    return largest


class LoadInTorch(unittest.TestCase):
    def compare(self, name, inputs, path=FILE):
        """-> the model, its logits of each input."""
        model = load(path)
        with torch.no_grad():
            logits = [model(torch.tensor(tokens)) for tokens in inputs]
        expected = predicted(path, inputs)
        self.assertEqual([x.shape for x in logits], [x.shape for x in expected])
        largest = largest_absolute_sum(model, inputs)
        error = max((a - b).abs().max().item() for a, b in zip(logits, expected))
        ulps = error / (largest * 2**-23)
        print(f"  {name:<60} {ulps:6.2f} ulps of {largest:.4g}")
        self.assertLessEqual(ulps, ULPS, name)
        return model, logits

    def build(self, name):
        """Writes the construction for the first small length that it takes -> claim."""
        for length in [6, 5, 8, 4, 7, 9, 3, 10, 12, 2, 1, 15, 16, 20, 24, 25, 31, 32, 64]:
            done = run("construct", name, "--length", length, "-o", FILE, "--json")
            if done.returncode == 0:
                return json.loads(done.stdout)["claim"]
        self.fail(f"construct {name} takes no length: {done.stderr}")

    def test_constructions(self):
        for name in listed("constructions"):
            with self.subTest(name):
                claim = self.build(name)
                instances = sample(claim["task"], claim["length"], claim["task_config"])
                title = f"{name}, {claim['task']} of length {claim['length']}"
                model, logits = self.compare(title, [i["tokens"] for i in instances])
                self.assertEqual(model.provenance["construction"], name)
                asked = 0
                for instance, rows in zip(instances, logits):
                    for target, row in zip(instance["targets"], rows):
                        if target >= 0:
                            asked += 1
                            self.assertEqual(row.argmax().item(), target, instance)
                self.assertGreater(asked, 0)

    def trained(self, name, model, task="index-lookup", length=6):
        config = {"alphabet": 4} if task == "index-lookup" else {}
        budget = "--steps 5 --batch-size 16 --final-examples 16 --quiet --seed 2".split()
        options = ["--length", length, "--model", model, *flags(config), *budget]
        if not str(model).endswith(".yaml"):
            options += ["--d-model", 8]
        must("train", task, *options, "-o", FILE, codes=(0, 1))  # 1: not solved in five steps
        instances = sample(task, length, config)
        self.learns(*self.compare(name, [i["tokens"] for i in instances]), instances)

    def learns(self, model, _, instances):
        """Every weight that is trained has a gradient, and following them lowers the loss."""
        tokens = torch.tensor([i["tokens"] for i in instances])
        targets = torch.tensor([i["targets"] for i in instances])
        before = {name: value.clone() for name, value in model.state_dict().items()}
        optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=0.01)
        losses = []
        for _ in range(20):
            loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), ignore_index=-1)
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.assertLess(losses[-1], losses[0])
        frozen = ["bias_hh_l0"]
        if model.spec["embedding"] == "given":
            frozen += ["embedding.weight", "positions.weight"]
        for name, parameter in model.named_parameters():
            if not name.endswith(tuple(frozen)):
                self.assertTrue(parameter.grad.isfinite().all(), name)
                self.assertFalse(torch.equal(parameter, before[name]), f"{name} has not moved")
            else:
                self.assertTrue(torch.equal(parameter, before[name]), f"{name} has moved")

    def test_trained_families(self):
        for family in listed("models"):
            with self.subTest(family):
                self.trained(f"{family}, trained", family)

    def test_trained_blocks(self):
        specs = [{"layers": [{"block": block}]} for block in listed("blocks")]
        sizes = {"n_heads": 3, "d_head": 2, "d_value": 5}
        all_seen = {"n_heads": 2, "causal": False, "scale": "none"}
        forget, swiglu = {"forget_bias": 1}, {"activation": "swiglu", "d_ff": 10}
        specs += [
            {"norm": "rms", "layers": [{"block": "attention", "config": sizes},
                                       {"block": "mlp", "config": swiglu}]},
            {"norm": "none", "layers": [
                {"block": "attention", "config": all_seen},
                {"block": "mlp", "config": {"activation": "relu", "bias": False}}]},
            {"norm": "none", "positions": "none", "layers": [
                {"block": "lstm", "config": forget, "residual": False}, {"block": "rnn"}]},
            {"norm": "layer", "embedding": "given", "layers": [
                {"block": "rnn", "config": {"activation": "relu"}, "residual": False}]},
        ]
        specs += [{"norm": "none", "layers": [{"block": "rnn", "config": {
            "activation": activation, "state_format": "bit"}, "residual": residual}]}
            for activation in ("tanh", "relu") for residual in (True, False)]
        for number, spec in enumerate(specs):
            path = os.path.join(FOLDER.name, f"{number}.yaml")
            pathlib.Path(path).write_text(json.dumps({"d_model": 8, **spec}))
            name = "+".join(layer["block"] for layer in spec["layers"])
            with self.subTest(json.dumps(spec)):
                self.trained(f"{name} of model {number}, norm {spec.get('norm')}", path)

    def test_a_half_is_rounded_up(self):
        """In a model whose state is 1/2 before the rounding, always and exactly."""
        must("construct", "shift-register-rnn", "--length", 3, "--alphabet", 2, "-o", FILE)

        def change(header, _, body):
            for name, entry in header.items():
                if name != "__metadata__":
                    begin, end = entry["data_offsets"]
                    value = {"layers.0.rnn.bias": 0.5, "head": 1.0}.get(name, 0.0)
                    body[begin:end] = struct.pack("<f", value) * ((end - begin) // 4)

        _, logits = self.compare("rnn, bits of one half", [[0, 1, 1, 2]], self.written(change))
        self.assertGreater(logits[0].min().item(), 0)

    def test_gradients(self):
        """Of blocks and norms: those of the fixtures to which the program's own are held."""
        cases = 0
        for path in sorted((SOURCE / "tests/torch").glob("*.safetensors")):
            metadata, tensors = load_in_torch.parse_safetensors(path.read_bytes())
            if metadata["kind"] == "model":
                continue
            cases += 1
            x = tensors["x"].requires_grad_(True)
            if metadata["kind"] == "norm":
                module = load_in_torch.NORMS[metadata["norm"]](x.shape[-1])
            else:
                make = load_in_torch.BLOCKS[metadata["block"]]
                config = load_in_torch.complete(json.loads(metadata["config"]), make.CONFIG, "")
                module = make(x.shape[-1], config)
            weights, gradients = (
                {n[len(prefix):]: t for n, t in tensors.items() if n.startswith(prefix)}
                for prefix in ("w.", "dw.")
            )
            gradients = load_in_torch.read_state(module, gradients)
            module.load_state_dict(load_in_torch.read_state(module, weights))
            y = module(x)
            y.backward(tensors["dy"])
            pairs = [("y", y, tensors["y"]), ("dx", x.grad, tensors["dx"])]
            trained = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
            for name, got, expected in pairs + [(n, p.grad, gradients[n]) for n, p in trained]:
                with self.subTest(f"{path.stem} {name}"):
                    error = (got - expected).abs().max() / expected.abs().max()
                    self.assertLess(error.item(), 64 * 2**-23)
        self.assertGreater(cases, 10)

    def test_command_line(self):
        must("construct", "index-lookup-transformer", "--length", 5, "-o", FILE)
        tokens = sample("index-lookup", 5)[0]["tokens"]

        def tool(*arguments):
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = load_in_torch.main([str(a) for a in arguments])
            return code, out.getvalue() + err.getvalue()

        command = [sys.executable, SOURCE / "tools/load_in_torch.py", FILE, *map(str, tokens)]
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        rows = torch.tensor([[float(v) for v in line.split()] for line in lines])
        self.assertLess((rows - predicted(FILE, [tokens])[0]).abs().max().item(), 1e-4)
        self.assertIn("(attention)", tool(FILE)[1])
        self.assertEqual((tool(FILE, 10**6)[0], tool(FILE, "x")[0]), (2, 2))
        self.assertEqual((tool()[0], tool("--help")[0], tool("/no/such/file")[0]), (2, 0, 3))
        with open(FILE, "r+b") as file:
            file.truncate(1000)
        code, text = tool(FILE)
        self.assertEqual(code, 3)
        self.assertRegex(text, r"^load_in_torch.py: error: .*model.safetensors: damaged")

    def test_readme(self):
        """The README's Python, after the commands that write what it loads."""
        page = (SOURCE / "README.md").read_text()
        program = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
        for command in re.findall(r"^\$ separatrix (construct .*)$", page, re.MULTILINE):
            must(*command.split())
        environment = {**os.environ, "PYTHONPATH": str(SOURCE / "tools")}
        done = subprocess.run([sys.executable, "-c", program], cwd=FOLDER.name, env=environment,
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    # -------------------------------------------------------------------------------- wrong files

    def written(self, change):
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

    def test_wrong_specs(self):
        must("construct", "index-lookup-transformer", "--length", 5, "-o", FILE)
        load(self.written(lambda *_: None))

        def layer(**changes):
            return lambda header, spec, body: spec["layers"][0].update(changes)

        def config(**changes):
            return lambda header, spec, body: spec["layers"][0]["config"].update(changes)

        def top(**changes):
            return lambda header, spec, body: spec.update(changes)

        for change, message in [
            (layer(block="gru"), "unknown block 'gru'"),
            (layer(config=3), "config cannot be 3"),
            (config(n_heads=0), "0 heads"),
            (config(n_heads=2), "the spec says"),
            (config(n_heads=2.0), "n_heads cannot be 2.0"),
            (config(d_head=2**31 - 1), "the spec says"),
            (config(d_head=2**31), "d_head cannot be"),
            (config(scale="half"), "scale cannot be"),
            (config(window=3), "unknown key 'window'"),
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
                    load(self.written(change))
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
    unittest.main(verbosity=1)
