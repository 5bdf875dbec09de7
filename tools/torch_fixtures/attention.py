"""Attention with positions, shared keys and values, and windows: one position and head at a time."""

import math

import torch


def published_slopes(n):
    """As in the code that came with the paper (press2022)."""
    def of_a_power_of_two(n):
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]

    if math.log2(n).is_integer():
        return of_a_power_of_two(n)
    closest = 2 ** math.floor(math.log2(n))
    return of_a_power_of_two(closest) + published_slopes(2 * closest)[0::2][: n - closest]


def rotated(vector, position, base):
    """Neighbouring numbers as one complex number, times e^(i position theta_j)."""
    half = vector.shape[-1] // 2
    theta = torch.tensor([base ** (-2 * j / (2 * half)) for j in range(half)])
    z = torch.complex(vector[..., 0::2], vector[..., 1::2])
    z = z * torch.polar(torch.ones(half), position * theta)
    return torch.view_as_real(z).flatten(-2)


def attention(w, x, config):
    H = config.get("n_heads", 1)
    G = config.get("n_kv_heads", 0) or H
    window, causal = config.get("window", 0), config.get("causal", True)
    positions, base = config.get("positions", "none"), config.get("rotary_base", 10000.0)
    T, d_head, d_value = x.shape[1], w["q"].shape[1] // H, w["v"].shape[1] // G
    divisor = math.sqrt(d_head) if config.get("scale", "sqrt") == "sqrt" else 1.0
    outputs = []
    for i in range(T):
        heads = []
        for h in range(H):
            g = h * G // H
            query = x[:, i] @ w["q"][:, h * d_head:(h + 1) * d_head]
            key_of, value_of = w["k"][:, g * d_head:(g + 1) * d_head], w["v"][:, g * d_value:(g + 1) * d_value]
            scores, values = [], []
            for j in range(T):
                if (causal and j > i) or (window and abs(i - j) >= window):
                    continue
                key, turned = x[:, j] @ key_of, query
                if positions == "rotary":
                    key, turned = rotated(key, j, base), rotated(query, i, base)
                score = (turned * key).sum(-1) / divisor
                if positions == "alibi":
                    score = score - published_slopes(H)[h] * abs(i - j)
                scores.append(score)
                values.append(x[:, j] @ value_of)
            weights = torch.stack(scores, -1).softmax(-1)
            heads.append((weights.unsqueeze(-1) * torch.stack(values, 1)).sum(1))
        outputs.append(torch.cat(heads, -1) @ w["o"])
    return torch.stack(outputs, 1)


CASES = {
    "rotary": ({"n_heads": 2, "positions": "rotary"}, (2, 7, 8)),
    "rotary_odd": ({"n_heads": 3, "d_head": 6, "positions": "rotary", "rotary_base": 50.0}, (1, 33, 9)),
    "rotary_full": ({"positions": "rotary", "causal": False, "d_head": 4}, (2, 5, 3)),
    "alibi": ({"n_heads": 4, "positions": "alibi"}, (2, 7, 8)),
    "alibi_6_heads": ({"n_heads": 6, "d_head": 3, "positions": "alibi", "scale": "none"}, (1, 17, 9)),
    "alibi_full": ({"n_heads": 2, "positions": "alibi", "causal": False}, (1, 17, 12)),
    "multi_query": ({"n_heads": 4, "n_kv_heads": 1}, (2, 7, 8)),
    "grouped_query": ({"n_heads": 4, "n_kv_heads": 2, "d_head": 5, "d_value": 3}, (1, 17, 9)),
    "window": ({"n_heads": 2, "window": 3}, (2, 7, 8)),
    "window_short": ({"window": 2}, (1, 3, 5)),
    "window_full": ({"n_heads": 3, "window": 4, "causal": False}, (1, 33, 9)),
    "all_options": ({"n_heads": 4, "d_head": 6, "n_kv_heads": 2, "positions": "rotary", "window": 5}, (2, 17, 12)),
    "alibi_window": ({"n_heads": 3, "n_kv_heads": 1, "positions": "alibi", "window": 6}, (2, 17, 12)),
}


def write(kit):
    for seed, (name, (config, shape)) in enumerate(CASES.items()):
        torch.manual_seed(100 + seed)
        D, H = shape[2], config.get("n_heads", 1)
        G = config.get("n_kv_heads", 0) or H
        d_head = config.get("d_head", 0) or D // H
        d_value = config.get("d_value", 0) or d_head
        leaves = kit.Leaves(q=kit.random(D, H * d_head, scale=0.5), k=kit.random(D, G * d_head, scale=0.5),
                            v=kit.random(D, G * d_value, scale=0.5), o=kit.random(H * d_value, D, scale=0.5))
        kit.block_case(f"attention_{name}", "attention", config, leaves,
                       lambda w, x: attention(w, x, config), shape)
