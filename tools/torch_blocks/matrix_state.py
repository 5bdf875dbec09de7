"""retention, linear_attention, delta_net, gated_delta_net: heads whose state is a matrix, one position
after the other, the state rounded after each."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .state_format import CONFIG as STATE_FORMAT, StateFormat

HEADS = {**STATE_FORMAT, "n_heads": 1, "d_head": 0, "value_expansion": 1, "norm_epsilon": 1e-5}


class MatrixState(nn.Module):
    """What the blocks share: sizes, projections, the recurrence and the norm of its outputs."""

    def __init__(self, width, config, gate, device):
        super().__init__()
        self.n_heads = config["n_heads"]
        if self.n_heads < 1 or (config["d_head"] == 0 and width % self.n_heads != 0):
            raise ValueError(f"{self.n_heads} heads do not divide the width {width}")
        self.d_head = config["d_head"] or width // self.n_heads
        self.d_value = self.d_head * config["value_expansion"]
        self.epsilon, self.format = config["norm_epsilon"], StateFormat(config)
        keys, values = self.n_heads * self.d_head, self.n_heads * self.d_value
        outputs = {"q": keys, "k": keys, "v": values, **({"g": values} if gate else {})}
        for name, size in outputs.items():
            setattr(self, name, nn.Linear(width, size, bias=False, device=device))
        self.o = nn.Linear(values, width, bias=False, device=device)
        self.matrices = [*outputs, "o"]

    def heads(self, x):
        return x.unflatten(-1, (self.n_heads, -1))  # [B, T, n_heads, width of a head]

    def remember(self, q, k, v, decay=None, beta=None, turn=None):
        """S <- decay turn(S); e = v, or beta (v - S^T k); S <- S + k e^T, rounded; o = S^T q. decay
        and beta: [n_heads], or [B, T, n_heads]."""
        B, T, H, dk = k.shape
        state, outputs = q.new_zeros(B, H, dk, v.shape[-1]), []
        for t in range(T):
            if turn is not None:
                state = turn(state)
            if decay is not None:
                state = state * (decay if decay.dim() == 1 else decay[:, t])[..., None, None]
            e = v[:, t]
            if beta is not None:
                e = beta[:, t, :, None] * (e - torch.einsum("bhij,bhi->bhj", state, k[:, t]))
            state = self.format(state + k[:, t, :, :, None] * e[:, :, None])
            outputs.append(torch.einsum("bhij,bhi->bhj", state, q[:, t]))
        return torch.stack(outputs, 1)

    def normed(self, o):
        return o * torch.rsqrt(o.square().mean(-1, keepdim=True) + self.epsilon)

    def read(self, take):
        return {f"{name}.weight": take(name, 2).T for name in self.matrices}


class Retention(MatrixState):
    """RetNet's. The state turns instead of queries and keys: so it needs no position."""

    CONFIG = {**HEADS, "norm_epsilon": 1e-6}

    def __init__(self, width, config, device=None):
        super().__init__(width, config, True, device)

    def turn(self, state):
        pairs = self.d_head // 2
        step = math.log(10000) / max(pairs - 1, 1)
        theta = torch.exp(-step * torch.arange(pairs, dtype=state.dtype))[:, None]
        even, odd, rest = state[:, :, :2 * pairs:2], state[:, :, 1:2 * pairs:2], state[:, :, 2 * pairs:]
        cos, sin = theta.cos(), theta.sin()
        back = torch.stack([cos * even + sin * odd, cos * odd - sin * even], 3).flatten(2, 3)
        return torch.cat([back, rest], 2)

    def forward(self, x):
        q, k, v = (self.heads(f(x)) for f in (self.q, self.k, self.v))
        decay = 1 - 2.0 ** (-5 - torch.arange(self.n_heads, dtype=x.dtype))
        o = self.remember(q, k / math.sqrt(self.d_head), v, decay, turn=self.turn)
        return self.o(self.normed(o).flatten(2) * F.silu(self.g(x)))


class LinearAttention(MatrixState):
    """The sums of the features, by which outputs are divided, are the state's last column."""

    CONFIG = {"feature_map": ("elu+1", "elementwise_product", "taylor"), **HEADS}

    def __init__(self, width, config, device=None):
        super().__init__(width, config, False, device)
        self.feature_map = config["feature_map"]
        if self.feature_map == "elementwise_product":
            for name in ("q_map_1", "q_map_2", "k_map_1", "k_map_2"):
                setattr(self, name, nn.Linear(self.d_head, self.d_head, bias=False, device=device))
                self.matrices.append(name)
            self.norm = nn.Parameter(torch.ones(self.d_value, device=device))

    def features(self, x, name):
        x = self.heads(x)
        if self.feature_map == "elu+1":
            return F.elu(x) + 1
        if self.feature_map == "taylor":
            squares = (x[..., :, None] * x[..., None, :]).flatten(-2) / math.sqrt(2 * self.d_head)
            return torch.cat([torch.ones_like(x[..., :1]), x / self.d_head**0.25, squares], -1)
        return getattr(self, name + "_map_1")(x) * getattr(self, name + "_map_2")(x)

    def forward(self, x):
        q, k = self.features(self.q(x), "q"), self.features(self.k(x), "k")
        v = self.heads(self.v(x))
        if self.feature_map == "elementwise_product":
            o = self.normed(self.remember(q / math.sqrt(self.d_head), k, v)) * self.norm
        else:
            o = self.remember(q, k, torch.cat([v, torch.ones_like(v[..., :1])], -1))
            o = o[..., :-1] / (o[..., -1:] + 1e-6)
        return self.o(o.flatten(2))

    def read(self, take):
        state = super().read(take)
        if self.feature_map == "elementwise_product":
            state["norm"] = take("norm", 1)
        return state


class DeltaNet(MatrixState):
    GATED = False
    CONFIG = {**HEADS, "negative_eigenvalues": False, "output_gate": True}

    def __init__(self, width, config, device=None):
        super().__init__(width, config, config["output_gate"], device)
        self.output_gate = config["output_gate"]
        self.most_beta = 2.0 if config["negative_eigenvalues"] else 1.0
        for name in "qkv":
            size = getattr(self, name).out_features
            conv = nn.Conv1d(size, size, 4, groups=size, bias=False, device=device)
            setattr(self, name + "_conv", conv)
        self.b = nn.Linear(width, self.n_heads, bias=False, device=device)
        self.matrices.append("b")
        if self.GATED:
            self.a = nn.Linear(width, self.n_heads, bias=False, device=device)
            self.matrices.append("a")
            self.A_log = nn.Parameter(torch.zeros(self.n_heads, device=device))
            self.dt_bias = nn.Parameter(torch.zeros(self.n_heads, device=device))
        self.norm = nn.Parameter(torch.ones(self.d_value, device=device))

    def convolved(self, x, name):
        conv, inputs = getattr(self, name + "_conv"), getattr(self, name)(x)
        carried = self.format(inputs)  # what later positions read
        y = conv(F.pad(carried.transpose(1, 2), (3, 0))).transpose(1, 2)
        if not self.format.is_float32:
            y = y + conv.weight[:, 0, -1] * (inputs - carried)
        return self.heads(F.silu(y))

    def forward(self, x):
        q, k, v = (self.convolved(x, name) for name in "qkv")
        q, k = (u * torch.rsqrt(u.square().sum(-1, keepdim=True) + 1e-6) for u in (q, k))
        beta, decay = self.most_beta * self.b(x).sigmoid(), None
        if self.GATED:
            decay = (-self.A_log.exp() * F.softplus(self.a(x) + self.dt_bias)).exp()
        o = self.remember(q / math.sqrt(self.d_head), k, v, decay, beta)
        o = (self.normed(o) * self.norm).flatten(2)
        return self.o(o * F.silu(self.g(x)) if self.output_gate else o)

    def read(self, take):
        state = {**super().read(take), "norm": take("norm", 1)}
        for name in "qkv":
            state[name + "_conv.weight"] = take(name + "_conv", 2).T[:, None]
        if self.GATED:
            state.update({"A_log": take("A_log", 1), "dt_bias": take("dt_bias", 1)})
        return state


class GatedDeltaNet(DeltaNet):
    GATED = True
    CONFIG = {**DeltaNet.CONFIG, "value_expansion": 2}
