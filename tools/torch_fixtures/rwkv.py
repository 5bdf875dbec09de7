"""RWKV version 4 as defined: for each position the whole sum over those before it."""

import torch

from .straight_through import exact, levels


def shift_mix(x, mu, held=exact):
    shifted = torch.cat([torch.zeros_like(x[:, :1]), held(x[:, :-1])], dim=1)
    return mu * x + (1 - mu) * shifted


def time_mix(p, x):
    k = shift_mix(x, p["time_mix_k"]) @ p["key"]
    v = shift_mix(x, p["time_mix_v"]) @ p["value"]
    r = shift_mix(x, p["time_mix_r"]) @ p["receptance"]
    w, u = torch.exp(p["time_decay"]), p["time_first"]
    wkv = []
    for t in range(x.shape[1]):
        exponents = [k[:, s] - (t - 1 - s) * w for s in range(t)] + [k[:, t] + u]
        weights = torch.exp(torch.stack(exponents, 1))
        wkv.append((weights * v[:, :t + 1]).sum(1) / weights.sum(1))
    return (torch.sigmoid(r) * torch.stack(wkv, 1)) @ p["output"]


def rounded_time_mix(p, x, held):
    """As a recurrence whose state is rounded. o, which cancels, is a constant to the gradient; where
    q is 0 there is no past."""
    k = shift_mix(x, p["time_mix_k"], held) @ p["key"]
    v = shift_mix(x, p["time_mix_v"], held) @ p["value"]
    r = shift_mix(x, p["time_mix_r"], held) @ p["receptance"]
    rate, u = -torch.exp(p["time_decay"]), p["time_first"]
    P = Q = O = torch.zeros_like(k[:, 0])
    outputs = []
    for t in range(x.shape[1]):
        there = (Q != 0).to(x.dtype)
        past = there * torch.exp(O)
        now = torch.exp(u + k[:, t])
        outputs.append((past * P + now * v[:, t]) / (past * Q + now))
        kept, new = there * torch.exp(O + rate), torch.exp(k[:, t])
        top = torch.where(Q != 0, torch.maximum(O + rate, k[:, t]), k[:, t]).detach()
        P, Q = held((kept * P + new * v[:, t]) / torch.exp(top)), held((kept * Q + new) / torch.exp(top))
        O = held(top)
    return (torch.sigmoid(r) * torch.stack(outputs, 1)) @ p["output"]


def channel_mix(p, x, held=exact):
    k = torch.clamp(shift_mix(x, p["time_mix_k"], held) @ p["key"], min=0) ** 2
    r = torch.sigmoid(shift_mix(x, p["time_mix_r"], held) @ p["receptance"])
    return r * (k @ p["value"])


def write(kit):
    torch.manual_seed(6)
    int4, held = {"state_format": "int4", "state_range": 2.5}, levels(4, 2.5)
    for suffix, (B, T, D), F, config in [("", (2, 7, 8), 0, {}), ("_odd", (1, 17, 9), 11, {}),
                                         ("_int4", (2, 7, 8), 0, int4)]:
        vectors = ["time_decay", "time_first", "time_mix_k", "time_mix_v", "time_mix_r"]
        leaves = {name: kit.random(D, scale=0.7) for name in vectors}
        for name in ("key", "value", "receptance", "output"):
            leaves[name] = kit.random(D, D, scale=0.4)
        program = (lambda p, x: rounded_time_mix(p, x, held)) if config else time_mix
        kit.block_case("rwkv_time_mix" + suffix, "rwkv_time_mix", config, kit.Leaves(**leaves), program, (B, T, D))

        hidden = F or 4 * D
        leaves = {name: kit.random(D, scale=0.7) for name in ("time_mix_k", "time_mix_r")}
        for name, rows, columns in [("key", D, hidden), ("receptance", D, D), ("value", hidden, D)]:
            leaves[name] = kit.random(rows, columns, scale=0.4)
        program = (lambda p, x: channel_mix(p, x, held)) if config else channel_mix
        kit.block_case("rwkv_channel_mix" + suffix, "rwkv_channel_mix", {**config, "d_ff": F}, kit.Leaves(**leaves),
                       program, (B, T, D))
