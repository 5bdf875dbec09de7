"""aaren: attention whose query does not depend on the input, as its recurrence."""

import math

import torch
from torch import nn

from .errors import LoadError
from .state_format import CONFIG, StateFormat

NEVER = -1e38  # the score of a prefix that is empty


class Aaren(nn.Module):
    """o(concat over heads h of softmax over j <= t (q_h k_hj / sqrt(d_head)) v_hj). The maximum m
    that u and w are scaled by carries no gradient: it cancels."""

    CONFIG = {**CONFIG, "n_heads": 1, "d_head": 0}

    def __init__(self, width, config, device=None):
        super().__init__()
        heads, d_head = config["n_heads"], config["d_head"]
        if heads < 1 or (d_head == 0 and width % heads != 0):
            raise LoadError(f"{heads} heads do not divide the width {width}")
        d_head = d_head or width // heads
        self.format = StateFormat(config)
        self.q = nn.Parameter(torch.zeros(heads, d_head, device=device))
        self.k, self.v = (nn.Linear(width, heads * d_head, bias=False, device=device) for _ in "kv")
        self.o = nn.Linear(heads * d_head, width, bias=False, device=device)

    def forward(self, x):
        k, v = (f(x).unflatten(-1, self.q.shape) for f in (self.k, self.v))  # [B, T, H, d_head]
        scores = (k * self.q).sum(-1, keepdim=True) / math.sqrt(self.q.shape[1])
        m = u = torch.zeros_like(scores[:, 0])
        w, averages = torch.zeros_like(v[:, 0]), []
        for s_t, v_t in zip(scores.unbind(1), v.unbind(1)):
            before = torch.where(u > 0, m, torch.full_like(m, NEVER))
            most = torch.maximum(before, s_t).detach()
            old, own = (before - most).exp(), (s_t - most).exp()
            m, u, w = (self.format(s) for s in (most, old * u + own, old * w + own * v_t))
            some = u > 0
            averages.append(torch.where(some, w / torch.where(some, u, torch.ones_like(u)),
                                        torch.zeros_like(w)))
        return self.o(torch.stack(averages, 1).flatten(2))

    def read(self, take):
        return {"q": take("q", 2), **{f"{name}.weight": take(name, 2).T for name in "kvo"}}
