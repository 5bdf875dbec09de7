#!/usr/bin/python3
"""Writes tests/torch/*.safetensors: weights, inputs, outputs and gradients as PyTorch computes them.

Usage: tools/make_torch_fixtures.py [FOLDER]      (Debian: python3-torch)

The files are committed, so that the tests need no PyTorch. Each holds one case: metadata "kind"
("block", "norm" or "model") with its JSON, the parameters as "w.NAME" in this project's layout
(matrices [in, out]), their gradients as "dw.NAME", and the arrays named in write_case's callers.
PyTorch's own modules are used wherever they exist, and programs written from the equations, one file
per family in torch_fixtures, where it has none; everything runs in double and is rounded once,
to float32, when written: the tests then compare with what is exact up to that rounding.
"""

import json
import math
import pathlib
import struct
import sys

import torch
from torch.nn import functional as F

from torch_fixtures import aaren, attention as attention_options, gru, matrix_state, rwkv, state_space, tied

torch.set_default_dtype(torch.float64)
B, T, D = 2, 7, 8
FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/torch")


def write_case(name, metadata, tensors):
    """The safetensors format: length of the header, header, bytes of the tensors."""
    header = {"__metadata__": {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}}
    data = b""
    for key in sorted(tensors):
        values = tensors[key].detach().to(torch.float32).contiguous()
        raw = values.numpy().tobytes()
        header[key] = {
            "dtype": "F32",
            "shape": list(values.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (FOLDER / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def rounded(tensor):
    """What float32 can hold: parameters and inputs are rounded before, not after, they are used."""
    return tensor.to(torch.float32).to(torch.float64)


def random(*shape, scale=1.0):
    return rounded(scale * torch.randn(*shape))


class Leaves:
    """Tensors in this project's layout from which a PyTorch module's own are computed."""

    def __init__(self, **tensors):
        self.tensors = {k: v.clone().requires_grad_(True) for k, v in tensors.items()}

    def __getitem__(self, name):
        return self.tensors[name]

    def arrays(self, prefix=""):
        out = {}
        for name, tensor in self.tensors.items():
            out[f"w.{prefix}{name}"] = tensor
            out[f"dw.{prefix}{name}"] = tensor.grad
        return out


def block_case(name, block, config, leaves, function, shape=(B, T, D)):
    x, dy = random(*shape).requires_grad_(True), random(*shape)
    y = function(leaves, x)
    y.backward(dy)
    arrays = {"x": x, "y": y, "dy": dy, "dx": x.grad, **leaves.arrays()}
    write_case(name, {"kind": "block", "block": block, "config": config}, arrays)


def attention_leaves(width=D):
    return Leaves(**{k: random(width, width, scale=0.5) for k in "qkvo"})


def attention(leaves, x, heads=1, causal=True, scaled=True):
    """Through torch's own multi_head_attention_forward, which always divides by sqrt(d_head)."""
    width = x.shape[-1]
    boost = 1.0 if scaled else math.sqrt(width // heads)
    y, _ = F.multi_head_attention_forward(
        *[x.transpose(0, 1)] * 3, width, heads,
        in_proj_weight=torch.cat([boost * leaves["q"].T, leaves["k"].T, leaves["v"].T]),
        in_proj_bias=None, bias_k=None, bias_v=None, add_zero_attn=False, dropout_p=0.0,
        out_proj_weight=leaves["o"].T, out_proj_bias=None, need_weights=False,
        attn_mask=torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1) if causal else None)
    return y.transpose(0, 1)


def mlp_leaves(gated, width=D, hidden=11):
    leaves = {"in": random(width, hidden, scale=0.5), "in_bias": random(hidden)}
    if gated:
        leaves["gate"] = random(width, hidden, scale=0.5)
    return Leaves(**leaves, out=random(hidden, width, scale=0.5), out_bias=random(width))


def mlp(leaves, x, activation):
    hidden = F.linear(x, leaves["in"].T, leaves["in_bias"])
    if activation == "swiglu":
        hidden = F.silu(F.linear(x, leaves["gate"].T)) * hidden
    else:
        hidden = {"relu": F.relu, "gelu": F.gelu}[activation](hidden)
    return F.linear(hidden, leaves["out"].T, leaves["out_bias"])


RECURRENT = {"lstm": (torch.lstm, 4, "ih", "hh"), "tanh": (torch.rnn_tanh, 1, "x", "h"),
             "relu": (torch.rnn_relu, 1, "x", "h")}


def recurrent_leaves(kind, width=D):
    _, gates, of_input, of_state = RECURRENT[kind]
    return Leaves(**{f"w_{of_input}": random(width, gates * width, scale=0.5),
                     f"w_{of_state}": random(width, gates * width, scale=0.5), "bias": random(gates * width)})


def recurrent(kind, leaves, x):
    """What nn.LSTM and nn.RNN call; their two biases are our one, split in halves."""
    function, _, of_input, of_state = RECURRENT[kind]
    parameters = [leaves[f"w_{of_input}"].T, leaves[f"w_{of_state}"].T, leaves["bias"] / 2, leaves["bias"] / 2]
    zero = torch.zeros(1, x.shape[0], x.shape[2])
    start = (zero, zero) if kind == "lstm" else zero
    return function(x, start, parameters, True, 1, 0.0, False, False, True)[0]


def rms_norm(x, gain):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * gain


def norm_case(kind):
    bias = {"bias": random(D)} if kind == "layer" else {}
    leaves = Leaves(gain=rounded(1 + 0.3 * torch.randn(D)), **bias)
    x, dy = rounded(3 + 2 * torch.randn(B * T, D)).requires_grad_(True), random(B * T, D)
    y = F.layer_norm(x, (D,), leaves["gain"], leaves["bias"]) if kind == "layer" else rms_norm(x, leaves["gain"])
    y.backward(dy)
    write_case(f"norm_{kind}", {"kind": "norm", "norm": kind},
               {"x": x, "y": y, "dy": dy, "dx": x.grad, **leaves.arrays()})


def model_case(name, spec, layers, asked):
    """embedding (+ positions) -> layers -> norm -> head; loss summed over the asked positions."""
    V, C = spec["vocab_size"], spec["n_classes"]
    top = {"embedding": random(V, D)}
    if spec.get("head") != "tied":
        top.update(head=random(D, C, scale=0.5), head_bias=random(C))
    if spec["positions"] == "learned":
        top["positions"] = random(spec["max_length"], D)
    norms = [f"layers.{i}.norm." for i in range(len(layers))] + ["norm."]
    for prefix in norms if spec["norm"] != "none" else []:
        top[prefix + "gain"] = rounded(1 + 0.3 * torch.randn(D))
        if spec["norm"] == "layer":
            top[prefix + "bias"] = random(D, scale=0.3)
    w = Leaves(**top)

    def normed(prefix, x):
        if spec["norm"] == "none":
            return x
        if spec["norm"] == "rms":
            return rms_norm(x, w[prefix + "gain"])
        return F.layer_norm(x, (D,), w[prefix + "gain"], w[prefix + "bias"])

    tokens = torch.randint(V, (B, T))
    targets = torch.randint(C, (B, T))
    targets[~asked] = -1
    x = F.embedding(tokens, w["embedding"])
    if spec["positions"] == "learned":
        x = x + w["positions"][:T]
    for i, (leaves, function) in enumerate(layers):
        y = function(leaves, normed(f"layers.{i}.norm.", x))
        x = x + y if spec["layers"][i]["residual"] else y
    if spec.get("head") == "tied":
        logits = F.linear(normed("norm.", x), w["embedding"])
    else:
        logits = F.linear(normed("norm.", x), w["head"].T, w["head_bias"])
    loss = F.cross_entropy(logits[asked], targets[asked], reduction="sum")
    loss.backward()
    arrays = {"tokens": tokens, "targets": targets, "logits": logits[asked], "loss": loss.reshape(1), **w.arrays()}
    for i, (leaves, _) in enumerate(layers):
        arrays.update(leaves.arrays(f"layers.{i}.{spec['layers'][i]['block']}."))
    write_case(name, {"kind": "model", "spec": spec}, arrays)


def spec_of(layers, **changes):
    return {"vocab_size": 9, "n_classes": 5, "d_model": D, "max_length": 10, "positions": "learned",
            "norm": "layer", "embedding": "learned", "layers": layers, **changes}


def main():
    torch.manual_seed(0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for heads, causal, scale in [(1, True, "sqrt"), (4, True, "sqrt"), (2, False, "sqrt"), (2, True, "none")]:
        block_case(f"attention_{heads}_{'causal' if causal else 'full'}_{scale}", "attention",
                   {"n_heads": heads, "causal": causal, "scale": scale}, attention_leaves(),
                   lambda w, x: attention(w, x, heads, causal, scale == "sqrt"))
    for activation in ("relu", "gelu", "swiglu"):
        block_case(f"mlp_{activation}", "mlp", {"activation": activation, "d_ff": 11},
                   mlp_leaves(activation == "swiglu"), lambda w, x: mlp(w, x, activation))
    block_case("lstm", "lstm", {}, recurrent_leaves("lstm"), lambda w, x: recurrent("lstm", w, x))
    for activation in ("tanh", "relu"):
        block_case(f"rnn_{activation}", "rnn", {"activation": activation}, recurrent_leaves(activation),
                   lambda w, x: recurrent(activation, w, x))
    norm_case("layer")
    norm_case("rms")

    def residual(block, config):
        return {"block": block, "config": config, "residual": True}

    transformer = [residual("attention", {"n_heads": 2}), residual("mlp", {"d_ff": 11})]
    last = torch.zeros(B, T, dtype=torch.bool)
    last[:, -1] = True
    for name, norm, asked in [("layer_last", "layer", last), ("rms_some", "rms", torch.rand(B, T) < 0.5),
                              ("none_all", "none", torch.ones(B, T, dtype=torch.bool))]:
        model_case(f"transformer_{name}", spec_of(transformer, norm=norm),
                   [(attention_leaves(), lambda w, x: attention(w, x, 2)),
                    (mlp_leaves(False), lambda w, x: mlp(w, x, "gelu"))], asked)
    plain = [{"block": "lstm", "config": {}, "residual": False}] * 2
    model_case("lstm_stack", spec_of(plain, norm="none", positions="none"),
               [(recurrent_leaves("lstm"), lambda w, x: recurrent("lstm", w, x)) for _ in range(2)], last)
    # Each seeds itself, so that a new one changes no other's files.
    for family in (gru, rwkv, aaren, attention_options, state_space, matrix_state, tied):
        family.write(sys.modules[__name__])


if __name__ == "__main__":
    main()
