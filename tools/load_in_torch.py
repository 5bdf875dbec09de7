#!/usr/bin/env python3
"""Separatrix' models as PyTorch modules: constructions and trained models alike.

    import torch
    from load_in_torch import load            # PYTHONPATH=tools

    model = load("lookup.safetensors")        # a torch.nn.Module, float32, on the CPU
    logits = model(torch.tensor([[3, 0, 6]])) # tokens [B, T] (or [T]) -> logits [B, T, n_classes]
    model.spec, model.provenance              # dicts: the file's JSON texts

On the command line, tools/load_in_torch.py FILE TOKEN TOKEN ... prints the logits, a line for each
token; without tokens the modules. Needs PyTorch only, from 1.13 on (Debian: python3-torch).

The model is an ordinary module: .to(), .double(), autograd, optimisers and state_dict() work, and
the state dict has the file's names (docs/format.md) where PyTorch has no other. What the program
does not train has requires_grad False: embedding and positions where they are given, and the second
bias that PyTorch's recurrent layers have.

To add a block, write a module with
    CONFIG              its options and their defaults; a tuple lists a text's choices
    __init__(width, config, device)     config has every key of CONFIG
    forward(x)          [B, T, width] -> [B, T, width]
    read(take)          its state dict; take(name, dimensions) is a tensor of the file, whose
                        matrices are [in, out]: PyTorch's are their .T
and enter it in BLOCKS. Those that PyTorch has no module for are in the folder torch_blocks.
"""

import json
import math
import struct
import sys

import torch
from torch import nn
from torch.nn import functional as F

from torch_blocks.aaren import Aaren
from torch_blocks.attention import Attention
from torch_blocks.errors import LoadError
from torch_blocks.gru import Gru
from torch_blocks.matrix_state import DeltaNet, GatedDeltaNet, LinearAttention, Retention
from torch_blocks.rwkv import RwkvChannelMix, RwkvTimeMix
from torch_blocks.state_format import CONFIG as STATE_FORMAT, StateFormat
from torch_blocks.state_space import Conv, Dss, Mamba, S4d

EPSILON = 1e-5  # of both norms


class Mlp(nn.Module):
    """down(act(up(x))); for swiglu down(silu(gate(x)) up(x)). gelu is the exact one."""

    CONFIG = {"d_ff": 0, "activation": ("gelu", "relu", "swiglu"), "bias": True}

    def __init__(self, width, config, device=None):
        super().__init__()
        hidden, bias = config["d_ff"] or 4 * width, config["bias"]
        self.activation = config["activation"]
        self.up = nn.Linear(width, hidden, bias=bias, device=device)
        if self.activation == "swiglu":
            self.gate = nn.Linear(width, hidden, bias=False, device=device)
        self.down = nn.Linear(hidden, width, bias=bias, device=device)

    def forward(self, x):
        if self.activation == "swiglu":
            return self.down(F.silu(self.gate(x)) * self.up(x))
        return self.down({"gelu": F.gelu, "relu": F.relu}[self.activation](self.up(x)))

    def read(self, take):
        state = {"up.weight": take("in", 2).T, "down.weight": take("out", 2).T}
        if self.activation == "swiglu":
            state["gate.weight"] = take("gate", 2).T
        if self.up.bias is not None:
            state["up.bias"] = take("in_bias", 1)
            state["down.bias"] = take("out_bias", 1)
        return state


class Identity(nn.Identity):
    CONFIG = {}

    def __init__(self, width, config, device=None):
        super().__init__()


class Lstm(nn.LSTM):
    """torch.nn.LSTM. Its second bias holds the config's forget_bias and is not trained. What PyTorch
    has not: both states may be rounded after each step."""

    CONFIG = {**STATE_FORMAT, "forget_bias": 0.0}

    def __init__(self, width, config, device=None):
        super().__init__(width, width, batch_first=True, device=device)
        self.format, self.forget_bias = StateFormat(config), config["forget_bias"]
        self.bias_hh_l0.requires_grad_(False)

    def forward(self, x):
        if self.format.is_float32:
            return super().forward(x)[0]
        inputs = F.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        h = c = torch.zeros_like(x[:, 0])
        states = []
        for t in range(x.shape[1]):
            gates = inputs[:, t] + F.linear(h, self.weight_hh_l0, self.bias_hh_l0)
            i, f, g, o = gates.chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h, c = self.format(o.sigmoid() * c.tanh()), self.format(c)
            states.append(h)
        return torch.stack(states, 1)

    def read(self, take):
        forget = torch.zeros(4, self.hidden_size)  # gates i, f, g, o
        forget[1] = self.forget_bias
        return recurrent_state(take, "w_ih", "w_hh", forget.flatten())


class Rnn(nn.RNN):
    """torch.nn.RNN, its second bias 0 and not trained. What PyTorch has not: the state may be rounded
    after each step."""

    CONFIG = {"activation": ("tanh", "relu"), **STATE_FORMAT}

    def __init__(self, width, config, device=None):
        options = {"nonlinearity": config["activation"], "batch_first": True, "device": device}
        super().__init__(width, width, **options)
        self.format = StateFormat(config)
        self.bias_hh_l0.requires_grad_(False)

    def forward(self, x):
        if self.format.is_float32:
            return super().forward(x)[0]
        activation = F.relu if self.nonlinearity == "relu" else torch.tanh
        inputs = F.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        state, states = torch.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            hidden = F.linear(state, self.weight_hh_l0, self.bias_hh_l0)
            state = self.format(activation(inputs[:, t] + hidden))
            states.append(state)
        return torch.stack(states, 1)

    def read(self, take):
        return recurrent_state(take, "w_x", "w_h", torch.zeros(self.hidden_size))


def recurrent_state(take, w_input, w_state, second_bias):
    weights = {"weight_ih_l0": take(w_input, 2).T, "weight_hh_l0": take(w_state, 2).T}
    return {**weights, "bias_ih_l0": take("bias", 1), "bias_hh_l0": second_bias}


class LayerNorm(nn.LayerNorm):
    def __init__(self, width, device=None):
        super().__init__(width, eps=EPSILON, device=device)

    def read(self, take):
        return {"weight": take("gain", 1), "bias": take("bias", 1)}


class RmsNorm(nn.Module):
    """x / sqrt(mean of squares + 1e-5) weight (torch.nn.RMSNorm exists only from 2.4 on)."""

    def __init__(self, width, device=None):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width, device=device))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * self.weight

    def read(self, take):
        return {"weight": take("gain", 1)}


BLOCKS = {"attention": Attention, "mlp": Mlp, "identity": Identity, "lstm": Lstm, "rnn": Rnn,
          "gru": Gru, "rwkv_time_mix": RwkvTimeMix, "rwkv_channel_mix": RwkvChannelMix,
          "aaren": Aaren, "conv": Conv, "mamba": Mamba, "s4d": S4d, "dss": Dss,
          "retention": Retention, "linear_attention": LinearAttention, "delta_net": DeltaNet,
          "gated_delta_net": GatedDeltaNet}
NORMS = {"layer": LayerNorm, "rms": RmsNorm, "none": nn.Identity}


class Layer(nn.Module):
    """x + block(norm(x)); block(norm(x)) alone where residual is False. The block is an attribute
    of its own name, as in the file: model.layers[0].attention."""

    CONFIG = {"block": "", "config": {}, "residual": True}

    def __init__(self, given, width, norm, where, device=None):
        super().__init__()
        layer = complete({"block": given} if isinstance(given, str) else given, self.CONFIG, where)
        self.block, self.residual = layer["block"], layer["residual"]
        if self.block not in BLOCKS:
            raise LoadError(f"{where}: unknown block '{self.block}'; known are {', '.join(BLOCKS)}")
        make = BLOCKS[self.block]
        config = complete(layer["config"], make.CONFIG, f"{where}, {self.block}")
        self.norm = NORMS[norm](width, device=device)
        try:
            self.add_module(self.block, make(width, config, device))
        except ValueError as error:  # sizes that do not fit
            raise LoadError(f"{where}: {error}") from error

    def forward(self, x):
        y = getattr(self, self.block)(self.norm(x))
        return x + y if self.residual else y


class Model(nn.Module):
    """embedding (+ positions) -> layers -> norm -> head; where the head is tied, the scalar products
    with the embedding: there is no module for it."""

    CONFIG = {
        **{"vocab_size": 0, "n_classes": 0, "d_model": 0, "max_length": 0, "layers": []},
        "positions": ("learned", "none"),
        "norm": ("layer", "rms", "none"),
        "embedding": ("learned", "given"),
        "head": ("learned", "tied"),
        "init": ("blocks", "gpt2", "linear"),  # where training started: computes nothing
        "init_depth": 0,
    }

    def __init__(self, spec, device=None):
        super().__init__()
        self.spec = spec = complete(spec, self.CONFIG, "the spec")
        for key in ("vocab_size", "n_classes", "d_model", "max_length"):
            if spec[key] < 1:
                raise LoadError(f"the spec: {key} is below 1")
        width, norm = spec["d_model"], spec["norm"]
        self.embedding = nn.Embedding(spec["vocab_size"], width, device=device)
        self.positions = None
        if spec["positions"] == "learned":
            self.positions = nn.Embedding(spec["max_length"], width, device=device)
        if spec["embedding"] == "given":  # what training leaves as it is: positions too
            for table in self.children():
                table.requires_grad_(False)
        self.layers = nn.ModuleList()
        for i, layer in enumerate(spec["layers"]):
            self.layers.append(Layer(layer, width, norm, f"layer {i}", device))
        self.norm = NORMS[norm](width, device=device)
        self.head = None
        if spec["head"] == "learned":
            self.head = nn.Linear(width, spec["n_classes"], device=device)
        elif spec["n_classes"] != spec["vocab_size"]:
            raise LoadError("the spec: a tied head answers with tokens, and n_classes is not vocab_size")

    def forward(self, tokens):
        """tokens [B, T] or [T], whole numbers below vocab_size -> logits [B, T, C] or [T, C]."""
        if tokens.dim() == 1:
            return self(tokens[None])[0]
        x, T = self.embedding(tokens), tokens.shape[1]
        if self.positions is not None:
            most = self.positions.num_embeddings
            if T > most:
                raise ValueError(f"{T} tokens, but the model reads at most {most}")
            x = x + self.positions.weight[:T]
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return F.linear(x, self.embedding.weight) if self.head is None else self.head(x)

    def read(self, take):
        state = {}
        if self.head is not None:
            state = {"head.weight": take("head", 2).T, "head.bias": take("head_bias", 1)}
        if self.positions is not None:
            state["positions.weight"] = take("positions", 2)
        return {**state, "embedding.weight": take("embedding", 2)}


def complete(given, defaults, where):
    """`given` with the defaults of what it leaves out. Unknown keys and wrong types are errors."""
    if not isinstance(given, dict):
        raise LoadError(f"{where}: expected a map of fields, got {json.dumps(given)[:80]}")
    given = {key.replace("-", "_"): value for key, value in given.items()}
    for key, value in given.items():
        if key not in defaults:
            raise LoadError(f"{where}: unknown key '{key}'")
        default, fits = defaults[key], type(value) is type(defaults[key])
        if isinstance(default, tuple):
            fits = value in default
        elif isinstance(default, float):
            fits = type(value) in (int, float)
        elif type(value) is int:  # a size
            fits = fits and 0 <= value < 2**31
        if not fits:
            raise LoadError(f"{where}: {key} cannot be {json.dumps(value)[:80]}")
    return {k: given.get(k, d[0] if isinstance(d, tuple) else d) for k, d in defaults.items()}


def load(path):
    """The model of a file. Raises LoadError, or OSError where the file cannot be read."""
    try:
        with open(path, "rb") as file:
            return build(*parse_safetensors(file.read()))
    except LoadError as error:
        raise LoadError(f"{path}: {error}") from error


def build(metadata, tensors):
    """metadata {text: text}, tensors {name: tensor} -> Model"""
    if metadata.get("separatrix.format") != "1" or "separatrix.spec" not in metadata:
        raise LoadError("not a separatrix model whose separatrix.format is 1")
    spec = parse_json(metadata["separatrix.spec"], "separatrix.spec")
    try:
        model = Model(spec, device="meta")  # shapes only: a damaged size costs no memory
    except (RuntimeError, OverflowError) as error:  # PyTorch, on more than 64 bits can count
        raise LoadError(f"the spec asks for more than any file holds: {error}") from error
    model.provenance = parse_json(metadata.get("separatrix.provenance", "null"), "provenance")
    state = read_state(model, tensors)
    for name, expected in model.state_dict().items():
        if state[name].shape != expected.shape:
            shapes = f"{list(state[name].shape)}, the spec says {list(expected.shape)}"
            raise LoadError(f"{name} is in PyTorch's order {shapes}")
    model.to_empty(device="cpu").load_state_dict(state)
    return model


def read_state(module, tensors):
    """-> state dict. Modules are called as in the file: each takes what is below its own name."""
    tensors, state = dict(tensors), {}
    for prefix, part in module.named_modules():
        prefix += "." if prefix else ""

        def take(name, dimensions):
            tensor = tensors.pop(prefix + name, None)
            if tensor is None or tensor.dim() != dimensions:
                raise LoadError(f"'{prefix}{name}' is no tensor of {dimensions} dimensions")
            return tensor

        if hasattr(part, "read"):
            state.update({prefix + name: value for name, value in part.read(take).items()})
    for name in tensors:
        raise LoadError(f"tensor '{name}' is not in the spec")
    return state


def parse_safetensors(data):
    """-> metadata {text: text}, tensors {name: tensor}. As strict as the program itself."""
    begin = 8 + struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else math.inf
    if begin > len(data):
        raise LoadError("damaged safetensors file: the header reaches beyond the file")
    header = parse_json(data[8:begin], "the header")
    metadata = header.pop("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise LoadError("damaged safetensors file: no map, or __metadata__ that is not all text")
    body, end, tensors = memoryview(data)[begin:], 0, {}
    for first, last, name, shape in sorted(check_entry(*item) for item in header.items()):
        if first != end or last > len(body):
            raise LoadError(f"damaged safetensors file: no data, a gap or an overlap at '{name}'")
        tensor = torch.frombuffer(bytearray(body[first:last]), dtype=torch.float32).view(shape)
        if not tensor.isfinite().all():
            raise LoadError(f"tensor '{name}' holds a value that is not finite")
        tensors[name], end = tensor, last
    if end != len(body):
        raise LoadError("damaged safetensors file: bytes that belong to no tensor")
    return metadata, tensors


def check_entry(name, entry):
    """A tensor's entry in the header -> first byte, the byte behind its last, name, shape."""
    try:
        dtype, shape, (first, last) = (entry.pop(k) for k in ("dtype", "shape", "data_offsets"))
        sizes = all(type(n) is int and 0 <= n < 2**63 for n in [first, last, *shape])
        if not entry and sizes and dtype == "F32" and last - first == 4 * math.prod(shape) > 0:
            return first, last, name, shape
    except (AttributeError, KeyError, TypeError, ValueError):
        pass  # no map, a key that is missing, no list, not two offsets
    raise LoadError(f"damaged safetensors file: dtype (only F32), shape or offsets of '{name}'")


def parse_json(text, where):
    """Strictly: UTF-8, no key twice in one map, no NaN."""

    def each_key_once(pairs):
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key appears twice")
        return dict(pairs)

    def refuse(constant):
        raise ValueError(f"{constant} is no number")

    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        return json.loads(text, object_pairs_hook=each_key_once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{where} is not JSON: {error}") from error


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        print(__doc__.strip())
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        model = load(arguments[0])
        tokens = [int(token) for token in arguments[1:]]
        if not tokens:
            print(model)
            return 0
        if not all(0 <= token < model.spec["vocab_size"] for token in tokens):
            raise ValueError(f"tokens are whole numbers below {model.spec['vocab_size']}")
        with torch.no_grad():
            for row in model(torch.tensor(tokens)).tolist():
                print(*(f"{value:.9g}" for value in row))
        return 0
    except (OSError, ValueError) as error:
        print(f"load_in_torch.py: error: {error}", file=sys.stderr)
        return 3 if isinstance(error, (OSError, LoadError)) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
