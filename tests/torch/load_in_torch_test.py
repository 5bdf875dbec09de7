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
import os
import pathlib
import re
import struct
import subprocess
import sys
import unittest

from program import FILE, FOLDER, SOURCE, choices, flags, listed, must, predicted, run
from program import sample, written
import load_in_torch
import torch
from load_in_torch import load
from torch.nn import functional as F

ULPS = 16


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
            q = module.q(x).abs().unflatten(-1, (module.n_heads, -1))
            k = module.k(x).abs().unflatten(-1, (module.n_kv_heads, -1))
            k = k.repeat_interleave(module.n_heads // module.n_kv_heads, 2)
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
        error = torch.cat(logits).sub(torch.cat(expected)).abs().max().item()
        ulps = error / (largest * 2**-23)
        print(f"  {name:<60} {ulps:6.2f} ulps of {largest:.4g}")
        self.assertLessEqual(ulps, ULPS, name)
        return model, logits

    def build(self, name):
        """Writes the construction for the first small length that it takes -> claim. With the
        task's default parameters, or, if it is for others, with another word of a text's help."""
        variants = [[]]
        for options in variants:
            for length in [6, 5, 8, 4, 7, 9, 3, 10, 12, 2, 1, 15, 16, 20, 24, 25, 31, 32]:
                ask = ["construct", name, "--length", length, *options, "-o", FILE, "--json"]
                done = run(*ask)
                if done.returncode == 0:
                    return json.loads(done.stdout)["claim"]
                task = re.search(r"does not cover these parameters of (\S+)", done.stderr)
                if task and len(variants) == 1:
                    variants += choices(task[1])
        self.fail(f"construct {name}, {len(variants)} variants, takes no length: {done.stderr}")

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
                            if claim["arithmetic"] == "real":
                                continue  # nothing is claimed of float32 but the same logits
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
            {"head": "tied", "n_classes": 10, "init": "gpt2", "layers": [
                {"block": "attention"}, {"block": "identity"}]},
            {"head": "tied", "n_classes": 10, "embedding": "given", "norm": "rms", "layers": [
                {"block": "attention"}, {"block": "mlp"}]},
            {"norm": "layer", "embedding": "given", "layers": [
                {"block": "rnn", "config": {"activation": "relu"}, "residual": False}]},
        ]
        specs += [{"layers": [{"block": "attention", "config": {"n_heads": 4, **options}}]}
                  for options in ({"positions": "rotary", "rotary_base": 100, "window": 3},
                                  {"positions": "alibi", "n_kv_heads": 2},
                                  {"positions": "alibi", "causal": False, "window": 2},
                                  {"positions": "rotary", "n_kv_heads": 1})]
        specs += [{"norm": "none", "layers": [{"block": "rnn", "config": {
            "activation": activation, "state_format": "bit"}, "residual": residual}]}
            for activation in ("tanh", "relu") for residual in (True, False)]
        specs += [{"norm": "none", "layers": [{"block": block, "config": {
            "state_format": "int4", "state_range": 1.5}}]} for block in (
            "lstm", "rnn", "gru", "rwkv_time_mix", "rwkv_channel_mix", "aaren")]
        wide = {"n_heads": 2, "d_head": 3, "value_expansion": 2}
        specs += [{"layers": [{"block": block, "config": {**wide, **options}}]} for block, options in [
            ("retention", {"state_format": "float16"}),
            ("linear_attention", {"feature_map": "elementwise_product"}),
            ("linear_attention", {"feature_map": "taylor", "state_format": "float16"}),
            ("delta_net", {"negative_eigenvalues": True, "state_format": "float16"}),
            ("gated_delta_net", {"output_gate": False})]]
        specs += [{"norm": "rms", "layers": [{"block": block, "config": config}]} for block, config in (
            ("conv", {"kernel": 3, "activation": "silu", "bias": False}),
            ("conv", {"state_format": "int4", "state_range": 2}),
            ("mamba", {"eigenvalues": "signed", "expand": 3, "d_state": 5, "dt_rank": 2}),
            ("mamba", {"state_format": "int4", "expand": 1, "d_state": 2}),
            ("s4d", {"form": "recurrence", "d_state": 6}), ("s4d", {"state_format": "int4", "d_state": 4}),
            ("dss", {"kernel": "softmax", "length": 20, "d_state": 5}))]
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

        _, logits = self.compare("rnn, bits of one half", [[0, 1, 1, 2]], written(change))
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


if __name__ == "__main__":
    unittest.main()
