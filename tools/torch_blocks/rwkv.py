"""rwkv_time_mix and rwkv_channel_mix: RWKV version 4, as its recurrence."""

import torch
from torch import nn
from torch.nn import functional as F

from .state_format import CONFIG, StateFormat

NEVER = -1e38  # the exponent of a past that is empty


class Rwkv(nn.Module):
    """Vectors and matrices by name; mixed(x, name) is x mixed with the input before it."""

    def __init__(self, width, config, vectors, matrices, device=None):
        super().__init__()
        self.format, self.vectors, self.matrices = StateFormat(config), vectors, list(matrices)
        for name in vectors:
            self.register_parameter(name, nn.Parameter(torch.zeros(width, device=device)))
        for name, (rows, columns) in matrices.items():
            self.add_module(name, nn.Linear(rows, columns, bias=False, device=device))

    def mixed(self, x, name):
        mu, before = getattr(self, name), self.format(F.pad(x, (0, 0, 1, -1)))
        return x * mu + before * (1 - mu)

    def read(self, take):
        state = {name: take(name, 1) for name in self.vectors}
        return {**state, **{f"{name}.weight": take(name, 2).T for name in self.matrices}}


class RwkvTimeMix(Rwkv):
    """output(sigmoid(r) wkv). The exponent o by which p and q are divided carries no gradient: it
    cancels, and what rounding leaves of it is no part of the convention."""

    CONFIG = CONFIG

    def __init__(self, width, config, device=None):
        vectors = ["time_decay", "time_first", "time_mix_k", "time_mix_v", "time_mix_r"]
        matrices = dict.fromkeys(["key", "value", "receptance", "output"], (width, width))
        super().__init__(width, config, vectors, matrices, device)

    def forward(self, x):
        k, v = self.key(self.mixed(x, "time_mix_k")), self.value(self.mixed(x, "time_mix_v"))
        r = self.receptance(self.mixed(x, "time_mix_r"))
        p = q = o = torch.zeros_like(x[:, 0])
        w, averages = -self.time_decay.exp(), []
        for k_t, v_t in zip(k.unbind(1), v.unbind(1)):
            past, own = torch.where(q > 0, o, torch.full_like(o, NEVER)), self.time_first + k_t
            most = torch.maximum(past, own).detach()
            a, b = (past - most).exp(), (own - most).exp()
            averages.append((a * p + b * v_t) / (a * q + b))
            most = torch.maximum(past + w, k_t).detach()
            a, b = (past + w - most).exp(), (k_t - most).exp()
            p, q, o = (self.format(s) for s in (a * p + b * v_t, a * q + b, most))
        return self.output(r.sigmoid() * torch.stack(averages, 1))


class RwkvChannelMix(Rwkv):
    """sigmoid(receptance(x_r)) value(relu(key(x_k))^2)."""

    CONFIG = {**CONFIG, "d_ff": 0}

    def __init__(self, width, config, device=None):
        hidden = config["d_ff"] or 4 * width
        matrices = {"key": (width, hidden), "receptance": (width, width), "value": (hidden, width)}
        super().__init__(width, config, ["time_mix_k", "time_mix_r"], matrices, device)

    def forward(self, x):
        k = F.relu(self.key(self.mixed(x, "time_mix_k"))).square()
        return self.receptance(self.mixed(x, "time_mix_r")).sigmoid() * self.value(k)
