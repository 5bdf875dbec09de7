"""Aaren as defined: softmax attention with a constant query, for every prefix."""

import torch

from .straight_through import levels


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


def rounded_aaren(p, x, held):
    """As a recurrence whose state is rounded. m, which cancels, is a constant to the gradient; where
    u is 0 nothing has been read, and the average is 0."""
    heads, d = p["q"].shape
    B, T, _ = x.shape
    keys = (x @ p["k"]).reshape(B, T, heads, d)
    values = (x @ p["v"]).reshape(B, T, heads, d)
    scores = torch.einsum("hd,bthd->bth", p["q"], keys) / d**0.5
    m, u, w = torch.zeros(B, heads), torch.zeros(B, heads), torch.zeros(B, heads, d)
    averages = []
    for t in range(T):
        there = u != 0
        top = torch.where(there, torch.maximum(m, scores[:, t]), scores[:, t]).detach()
        kept, new = there * torch.exp(m - top), torch.exp(scores[:, t] - top)
        u, w = held(kept * u + new), held(kept[:, :, None] * w + new[:, :, None] * values[:, t])
        m = held(top)
        divisor = torch.where(u != 0, u, torch.full_like(u, torch.inf))
        averages.append((w / divisor[:, :, None]).reshape(B, heads * d))
    return torch.stack(averages, dim=1) @ p["o"]


def write(kit):
    torch.manual_seed(7)
    int4, held = {"state_format": "int4", "state_range": 6.0}, levels(4, 6.0)
    for name, (B, T, D), heads, d, config in [("aaren", (2, 7, 8), 2, 0, {}), ("aaren_odd", (1, 17, 9), 2, 5, {}),
                                              ("aaren_int4", (2, 7, 8), 2, 0, int4)]:
        each = d or D // heads
        leaves = {"q": kit.random(heads, each)}
        for tensor, rows, columns in [("k", D, heads * each), ("v", D, heads * each), ("o", heads * each, D)]:
            leaves[tensor] = kit.random(rows, columns, scale=0.5)
        program = (lambda p, x: rounded_aaren(p, x, held)) if config else aaren
        kit.block_case(name, "aaren", {**config, "n_heads": heads, "d_head": d}, kit.Leaves(**leaves), program,
                       (B, T, D))
