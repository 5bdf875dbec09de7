"""Aaren as defined: softmax attention with a constant query, for every prefix."""

import torch


def aaren(p, x):
    heads, d = p["q"].shape
    B, T, _ = x.shape
    keys = (x @ p["k"]).reshape(B, T, heads, d)
    values = (x @ p["v"]).reshape(B, T, heads, d)
    scores = torch.einsum("hd,bthd->bht", p["q"], keys) / d**0.5
    prefixes = []
    for t in range(1, T + 1):
        share = torch.softmax(scores[:, :, :t], dim=-1)
        prefixes.append(torch.einsum("bht,bthd->bhd", share, values[:, :t]).reshape(B, heads * d))
    return torch.stack(prefixes, dim=1) @ p["o"]


def write(kit):
    torch.manual_seed(7)
    for name, (B, T, D), heads, d in [("aaren", (2, 7, 8), 2, 0), ("aaren_odd", (1, 17, 9), 2, 5)]:
        each = d or D // heads
        leaves = {"q": kit.random(heads, each)}
        for tensor, rows, columns in [("k", D, heads * each), ("v", D, heads * each), ("o", heads * each, D)]:
            leaves[tensor] = kit.random(rows, columns, scale=0.5)
        kit.block_case(name, "aaren", {"n_heads": heads, "d_head": d}, kit.Leaves(**leaves), aaren, (B, T, D))
