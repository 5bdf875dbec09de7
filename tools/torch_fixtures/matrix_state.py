"""Retention, linear attention and the delta rules, where nothing is rounded in the form without a
state: all pairs of positions at once, or the product of transition matrices."""

import torch
from torch.nn import functional as F


def heads(x, n):
    return x.unflatten(-1, (n, -1)).transpose(1, 2)  # [B, n, T, width]


def merged(x):
    return x.transpose(1, 2).flatten(2)


def rms(x, epsilon):
    return x / (x.square().mean(-1, keepdim=True) + epsilon).sqrt()


def through(x, grid):
    """x on the grid k range / most, |k| <= most, with the gradient of x."""
    most, largest = grid
    held = (x / largest * most).round().clamp(-most, most) * largest / most
    return x + (held - x).detach()


def turned(x, positions):
    """Pairs of channels as complex numbers, times e^(i n theta_j); an odd one out stays."""
    pairs = x.shape[-1] // 2
    theta = 10000 ** -torch.linspace(0, 1, pairs) if pairs > 1 else torch.ones(pairs)
    angles = positions[:, None] * theta
    z = torch.view_as_complex(x[..., :2 * pairs].unflatten(-1, (pairs, 2)).contiguous())
    z = torch.view_as_real(z * torch.polar(torch.ones_like(angles), angles)).flatten(-2)
    return torch.cat([z, x[..., 2 * pairs:]], -1)


def retention(w, x, n_heads, grid=None):
    q, k, v = (heads(x @ w[name], n_heads) for name in "qkv")
    k = k * k.shape[-1] ** -0.5
    gamma = 1 - 2.0 ** (-5 - torch.arange(n_heads))
    T = x.shape[1]
    if grid is None:
        n = torch.arange(T).double()
        apart = n[:, None] - n[None]
        decay = torch.where(apart >= 0, gamma[:, None, None] ** apart.clamp(min=0), torch.zeros(()))
        o = (turned(q, n) @ turned(k, n).transpose(-1, -2) * decay) @ v
    else:
        state, outputs = torch.zeros(x.shape[0], n_heads, k.shape[-1], v.shape[-1]), []
        for t in range(T):
            back = turned(state.transpose(-1, -2), torch.tensor([-1.0])).transpose(-1, -2)
            state = through(gamma[:, None, None] * back + k[:, :, t, :, None] * v[:, :, t, None, :], grid)
            outputs.append((q[:, :, t, None, :] @ state)[:, :, 0])
        o = torch.stack(outputs, 2)
    return (F.silu(x @ w["g"]) * merged(rms(o, 1e-6))) @ w["o"]


def linear_attention(w, x, n_heads, feature_map):
    q, k, v = (heads(x @ w[name], n_heads) for name in "qkv")
    d = q.shape[-1]
    if feature_map == "elementwise_product":
        q = (q @ w["q_map_1"]) * (q @ w["q_map_2"]) / d**0.5
        k = (k @ w["k_map_1"]) * (k @ w["k_map_2"])
        scores = (q @ k.transpose(-1, -2)).tril()
        return merged(rms(scores @ v, 1e-5) * w["norm"]) @ w["o"]
    if feature_map == "taylor":
        s = q @ k.transpose(-1, -2) / d**0.5
        scores = (1 + s + s.square() / 2).tril()
    else:
        scores = ((F.elu(q) + 1) @ (F.elu(k) + 1).transpose(-1, -2)).tril()
    return merged(scores @ v / (scores.sum(-1, keepdim=True) + 1e-6)) @ w["o"]


def convolved(x, taps, grid):
    late = x if grid is None else through(x, grid)
    y = x * taps[-1]
    for back in range(1, taps.shape[0]):
        y = y + F.pad(late, (0, 0, back, 0))[:, :x.shape[1]] * taps[-1 - back]
    return F.silu(y)


def delta_net(w, x, n_heads, beta_range=1, grid=None):
    q, k, v = (heads(convolved(x @ w[name], w[name + "_conv"], grid), n_heads) for name in "qkv")
    q, k = (u / (u.square().sum(-1, keepdim=True) + 1e-6).sqrt() for u in (q, k))
    beta = beta_range * torch.sigmoid(x @ w["b"]).transpose(1, 2)[..., None, None]
    g = torch.ones_like(beta)
    if "a" in w.tensors:
        step = F.softplus(x @ w["a"] + w["dt_bias"]) * w["A_log"].exp()
        g = torch.exp(-step).transpose(1, 2)[..., None, None]
    k, v = k.unsqueeze(-1), v.unsqueeze(-2)
    transitions = g * (torch.eye(k.shape[-2]) - beta * k @ k.transpose(-1, -2))
    state, outputs = torch.zeros(()), []
    for t in range(x.shape[1]):
        written = beta[:, :, t] * k[:, :, t] @ v[:, :, t]
        state = written if t == 0 else transitions[:, :, t] @ state + written
        state = state if grid is None else through(state, grid)
        outputs.append((q[:, :, t, None, :] @ state)[:, :, 0])
    o = torch.stack(outputs, 2) / k.shape[-2] ** 0.5
    o = merged(rms(o, 1e-5) * w["norm"])
    if "g" in w.tensors:
        o = o * F.silu(x @ w["g"])
    return o @ w["o"]


def matrices(kit, D, qk, vv, names="qkvo"):
    shapes = {"q": (D, qk), "k": (D, qk), "v": (D, vv), "g": (D, vv), "o": (vv, D)}
    return {name: kit.random(*shapes[name], scale=0.5) for name in names}


def delta_leaves(kit, D, H, dk, dv, gated, gate=True):
    leaves = matrices(kit, D, H * dk, H * dv, "qkvog" if gate else "qkvo")
    for name, width in [("q", H * dk), ("k", H * dk), ("v", H * dv)]:
        leaves[name + "_conv"] = kit.random(4, width, scale=0.7)
    leaves["b"] = kit.random(D, H, scale=0.5)
    if gated:
        leaves["a"] = kit.random(D, H, scale=0.5)
        leaves["A_log"], leaves["dt_bias"] = kit.random(H, scale=0.5), kit.random(H) - 1
    leaves["norm"] = kit.rounded(1 + 0.3 * torch.randn(dv))
    return kit.Leaves(**leaves)


def write(kit):
    torch.manual_seed(25)  # of the first few the best conditioned: no head whose output nearly vanishes
    small, odd, long = (2, 7, 8), (1, 17, 9), (2, 37, 9)  # long: more than one chunk of products
    for name, shape, H, dk, expansion in [("", small, 2, 4, 1), ("_odd", odd, 3, 3, 2), ("_long", long, 2, 5, 1)]:
        D, qk, vv = shape[2], H * dk, H * dk * expansion
        config = {"n_heads": H, "d_head": dk, "value_expansion": expansion}
        leaves = kit.Leaves(**matrices(kit, D, qk, vv, "qkvgo"))
        kit.block_case("retention" + name, "retention", config, leaves, lambda w, x: retention(w, x, H), shape)
        for number, feature_map in enumerate(["elu+1", "elementwise_product", "taylor"]):
            extra = {}
            if feature_map == "elementwise_product":
                maps = ["q_map_1", "q_map_2", "k_map_1", "k_map_2"]
                extra = {key: kit.random(dk, dk, scale=dk**-0.5) for key in maps}
                extra["norm"] = kit.rounded(1 + 0.3 * torch.randn(dk * expansion))
            leaves = kit.Leaves(**matrices(kit, D, qk, vv), **extra)
            kind = ["elu", "product", "taylor"][number]
            kit.block_case(f"linear_attention_{kind}{name}", "linear_attention",
                           {**config, "feature_map": feature_map}, leaves,
                           lambda w, x: linear_attention(w, x, H, feature_map), shape)
        for block, gated in [("delta_net", False), ("gated_delta_net", True)]:
            signed, gate = name == "_odd", name != "_long"
            options = {**config, "negative_eigenvalues": signed, "output_gate": gate}
            leaves = delta_leaves(kit, D, H, dk, dk * expansion, gated, gate)
            kit.block_case(block + name, block, options, leaves,
                           lambda w, x: delta_net(w, x, H, 2 if signed else 1), shape)
    config = {"n_heads": 2, "d_head": 3, "value_expansion": 2, "state_format": "int4", "state_range": 2.0}
    leaves = kit.Leaves(**matrices(kit, 9, 6, 12, "qkvgo"))
    kit.block_case("retention_int4", "retention", config, leaves, lambda w, x: retention(w, x, 2, (7, 2.0)), odd)
    leaves = delta_leaves(kit, 9, 2, 3, 6, True)
    kit.block_case("gated_delta_net_int4", "gated_delta_net", config, leaves,
                   lambda w, x: delta_net(w, x, 2, 1, (7, 2.0)), odd)
