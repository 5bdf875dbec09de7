"""RWKV version 4 as defined: for each position the whole sum over those before it."""

import torch


def shift_mix(x, mu):
    shifted = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)
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


def channel_mix(p, x):
    k = torch.clamp(shift_mix(x, p["time_mix_k"]) @ p["key"], min=0) ** 2
    r = torch.sigmoid(shift_mix(x, p["time_mix_r"]) @ p["receptance"])
    return r * (k @ p["value"])


def write(kit):
    torch.manual_seed(6)
    for suffix, (B, T, D), F in [("", (2, 7, 8), 0), ("_odd", (1, 17, 9), 11)]:
        vectors = ["time_decay", "time_first", "time_mix_k", "time_mix_v", "time_mix_r"]
        leaves = {name: kit.random(D, scale=0.7) for name in vectors}
        for name in ("key", "value", "receptance", "output"):
            leaves[name] = kit.random(D, D, scale=0.4)
        kit.block_case("rwkv_time_mix" + suffix, "rwkv_time_mix", {}, kit.Leaves(**leaves), time_mix, (B, T, D))

        hidden = F or 4 * D
        leaves = {name: kit.random(D, scale=0.7) for name in ("time_mix_k", "time_mix_r")}
        for name, rows, columns in [("key", D, hidden), ("receptance", D, D), ("value", hidden, D)]:
            leaves[name] = kit.random(rows, columns, scale=0.4)
        kit.block_case("rwkv_channel_mix" + suffix, "rwkv_channel_mix", {"d_ff": F}, kit.Leaves(**leaves),
                       channel_mix, (B, T, D))
