"""attention: nn.MultiheadAttention has neither d_head nor d_value, no unscaled scores, no positions,
no shared keys and values, and no window."""

import math

import torch
from torch import nn

from .errors import LoadError


class Attention(nn.Module):
    """o(concat over heads h of softmax(q_h k_h^T / sqrt(d_head)) v_h), with the options of
    docs/blocks.md."""

    CONFIG = {
        **{"n_heads": 1, "d_head": 0, "d_value": 0, "causal": True, "scale": ("sqrt", "none")},
        **{"positions": ("none", "rotary", "alibi"), "rotary_base": 10000.0},
        **{"n_kv_heads": 0, "window": 0},
    }

    def __init__(self, width, config, device=None):
        super().__init__()
        self.n_heads, self.causal = config["n_heads"], config["causal"]
        if self.n_heads < 1 or (config["d_head"] == 0 and width % self.n_heads != 0):
            raise LoadError(f"{self.n_heads} heads do not divide the width {width}")
        self.n_kv_heads = config["n_kv_heads"] or self.n_heads
        if self.n_heads % self.n_kv_heads != 0:
            raise LoadError(f"n_kv_heads {self.n_kv_heads} does not divide n_heads {self.n_heads}")
        d_head = config["d_head"] or width // self.n_heads
        d_value = config["d_value"] or d_head
        self.positions, self.base = config["positions"], config["rotary_base"]
        if self.positions == "rotary" and d_head % 2 != 0:
            raise LoadError(f"rotary positions turn pairs, and d_head {d_head} is odd")
        if not 0 < self.base < math.inf:
            raise LoadError("rotary_base is not positive and finite")
        self.window = config["window"]
        self.divisor = math.sqrt(d_head) if config["scale"] == "sqrt" else 1.0
        bare = {"bias": False, "device": device}
        self.q = nn.Linear(width, self.n_heads * d_head, **bare)
        self.k = nn.Linear(width, self.n_kv_heads * d_head, **bare)
        self.v = nn.Linear(width, self.n_kv_heads * d_value, **bare)
        self.o = nn.Linear(self.n_heads * d_value, width, **bare)

    def forward(self, x):
        T = x.shape[1]
        q = self.q(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)  # [B, n_heads, T, d_head]
        k, v = (f(x).unflatten(-1, (self.n_kv_heads, -1)).transpose(1, 2) for f in (self.k, self.v))
        if self.positions == "rotary":
            q, k = self.turned(q), self.turned(k)
        k, v = (y.repeat_interleave(self.n_heads // self.n_kv_heads, 1) for y in (k, v))
        scores = q @ k.transpose(-1, -2) / self.divisor  # [B, n_heads, T, T]
        t = torch.arange(T, device=x.device)
        back = t[:, None] - t[None, :]
        if self.positions == "alibi":
            scores = scores - self.slopes(x)[:, None, None] * back.abs()
        unseen = torch.zeros(T, T, dtype=torch.bool, device=x.device)
        if self.causal:
            unseen |= back < 0
        if self.window > 0:
            unseen |= back.abs() >= self.window
        scores = scores.masked_fill(unseen, -math.inf)
        return self.o((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))

    def turned(self, x):
        """Each pair (2j, 2j + 1) by the angle t base^(-2j / d_head)."""
        T, d = x.shape[-2:]
        pairs = torch.arange(0, d, 2, dtype=torch.float64, device=x.device)
        angles = torch.arange(T, device=x.device)[:, None] * self.base ** (-pairs / d)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)

    def slopes(self, like):
        """2^(-8h / n) for h = 1 .. n, n a power of two; of other numbers of heads the first are those
        of the power of two below, and the rest every second of twice as many."""
        n = 2 ** (self.n_heads.bit_length() - 1)
        exponents = [-8 * (h + 1) / n for h in range(n)]
        exponents += [-8 * (2 * h + 1) / (2 * n) for h in range(self.n_heads - n)]
        return torch.tensor([2.0**e for e in exponents], dtype=like.dtype, device=like.device)

    def read(self, take):
        return {f"{name}.weight": take(name, 2).T for name in "qkvo"}
