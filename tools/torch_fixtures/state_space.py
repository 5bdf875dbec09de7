"""Causal convolution, Mamba, S4D and DSS: the convolutions as such, with their kernels written out,
the selective scan as the sum over all earlier positions of what is left of them."""

import math

import torch
from torch.nn import functional as F


def shifted_sum(x, taps):
    """y_t = sum_l taps[l] x_{t-l}, taps [L, D]."""
    y = torch.zeros_like(x)
    for l in range(min(len(taps), x.shape[1])):
        y = y + taps[l] * F.pad(x, (0, 0, l, 0))[:, : x.shape[1]]
    return y


def conv(p, x, activation="none"):
    y = shifted_sum(x, p["weight"].flip(0)) + (p["bias"] if "bias" in p.tensors else 0)
    return F.silu(y) if activation == "silu" else y


def mamba(p, x, N, rank, signed):
    u, z = (x @ p["in_proj"]).chunk(2, -1)
    c = F.silu(shifted_sum(u, p["conv1d"].flip(0)) + p["conv1d_bias"])
    delta, B, C = (c @ p["x_proj"]).split([rank, N, N], -1)
    dt = torch.log1p(torch.exp(delta @ p["dt_proj"] + p["dt_proj_bias"]))
    decay = torch.exp(dt.unsqueeze(-1) * -torch.exp(p["A_log"]))  # [B, T, e, N]
    if signed:
        decay = 2 * decay - 1
    entered = (dt * c).unsqueeze(-1) * B.unsqueeze(2)
    rows = []
    for t in range(x.shape[1]):
        h = 0
        for s in range(t + 1):
            h = h + entered[:, s] * decay[:, s + 1 : t + 1].prod(1)
        rows.append((h * C[:, t].unsqueeze(1)).sum(-1) + p["D"] * c[:, t])
    return (torch.stack(rows, 1) * F.silu(z)) @ p["out_proj"]


def s4d(p, x):
    A = torch.complex(-torch.exp(p["log_A_real"]), p["A_imag"])
    z = A * torch.exp(p["log_dt"]).unsqueeze(1)
    weights = torch.view_as_complex(p["C"]) * (torch.exp(z) - 1) / A
    powers = torch.exp(z.unsqueeze(0) * torch.arange(x.shape[1]).reshape(-1, 1, 1))
    kernel = 2 * (weights * powers).sum(-1).real
    y = F.gelu(shifted_sum(x, kernel) + p["D"] * x)
    return F.glu(y @ p["output_linear"] + p["output_linear_bias"], -1)


def dss(p, x, length):
    """length 0: the exp kernel. The softmax is a quotient of sums here, which the small constant of
    the published reciprocal changes by less than float32 shows at these parameters."""
    T = x.shape[1]
    re = p["Lambda_re"] if length else -torch.exp(p["Lambda_re"])
    lam = torch.complex(re, p["Lambda_im"])
    dt = torch.exp(p["log_dt"])
    z = torch.complex(dt[:, :1] * re, dt[:, 1:] * p["Lambda_im"])  # [D, N]
    w = torch.view_as_complex(p["W"])
    powers = torch.exp(z.unsqueeze(0) * torch.arange(max(T, length)).reshape(-1, 1, 1))
    weights = w / lam / powers[:length].sum(0) if length else w * (torch.exp(z) - 1) / lam
    kernel = (weights * powers[:T]).sum(-1).real
    y = F.gelu(shifted_sum(x, kernel) + p["D"] * x)
    return y @ p["output_linear"] + p["output_linear_bias"]


def uniform(kit, low, high, *shape):
    return kit.rounded(low + (high - low) * torch.rand(*shape))


def write_conv(kit):
    for suffix, K, activation, bias, shape in [
            ("", 4, "none", True, (2, 7, 8)), ("_silu", 4, "silu", True, (1, 17, 9)),
            ("_wide", 6, "silu", False, (2, 3, 5))]:
        leaves = {"weight": kit.random(K, shape[2], scale=0.5)}
        if bias:
            leaves["bias"] = kit.random(shape[2])
        kit.block_case("conv" + suffix, "conv", {"kernel": K, "activation": activation, "bias": bias},
                       kit.Leaves(**leaves), lambda p, x: conv(p, x, activation), shape)


def write_mamba(kit):
    for suffix, config, shape in [
            ("", {}, (2, 7, 8)), ("_odd", {}, (1, 17, 9)), ("_signed", {"eigenvalues": "signed"}, (2, 7, 8)),
            ("_two", {}, (1, 2, 3)),
            ("_sizes", {"expand": 3, "d_state": 5, "d_conv": 3, "dt_rank": 2}, (1, 33, 17))]:
        D = shape[2]
        e, N, K = config.get("expand", 2) * D, config.get("d_state", 16), config.get("d_conv", 4)
        R = config.get("dt_rank", 0) or math.ceil(D / 16)
        A_log = torch.log(torch.arange(1, N + 1)).expand(e, N) + 0.2 * torch.randn(e, N)
        leaves = kit.Leaves(
            in_proj=kit.random(D, 2 * e, scale=D**-0.5), conv1d=kit.random(K, e, scale=0.5),
            conv1d_bias=kit.random(e, scale=0.5), x_proj=kit.random(e, R + 2 * N, scale=e**-0.5),
            dt_proj=kit.random(R, e, scale=R**-0.5), dt_proj_bias=uniform(kit, -4, 0, e),
            A_log=kit.rounded(A_log), D=kit.random(e), out_proj=kit.random(e, D, scale=e**-0.5))
        kit.block_case("mamba" + suffix, "mamba", config, leaves,
                       lambda p, x: mamba(p, x, N, R, suffix == "_signed"), shape)


def write_s4d(kit):
    for suffix, config, shape in [("", {"d_state": 8}, (2, 7, 8)), ("_odd", {}, (1, 17, 9)),
                                  ("_recurrence", {"form": "recurrence", "d_state": 6}, (2, 33, 5)),
                                  ("_one", {"d_state": 4}, (1, 1, 3))]:
        D, M = shape[2], config.get("d_state", 64) // 2
        frequencies = math.pi * torch.arange(M).expand(D, M) + 0.1 * torch.randn(D, M)
        leaves = kit.Leaves(
            log_A_real=kit.rounded(math.log(0.5) + 0.2 * torch.randn(D, M)), A_imag=kit.rounded(frequencies),
            log_dt=uniform(kit, math.log(0.001), math.log(0.1), D), C=kit.random(D, M, 2, scale=0.7),
            D=kit.random(D), output_linear=kit.random(D, 2 * D, scale=D**-0.5),
            output_linear_bias=kit.random(2 * D, scale=0.5))
        kit.block_case("s4d" + suffix, "s4d", config, leaves, s4d, shape)


def write_dss(kit):
    softmax = {"kernel": "softmax", "length": 20, "d_state": 6}
    for suffix, config, shape in [("", {"d_state": 8}, (2, 7, 8)), ("_odd", {"d_state": 10}, (1, 17, 9)),
                                  ("_softmax", softmax, (2, 7, 8)),
                                  ("_recurrence", {**softmax, "form": "recurrence"}, (1, 33, 5))]:
        D, N, length = shape[2], config["d_state"], config.get("length", 0)
        re = 0.4 * torch.randn(N) if length else math.log(0.5) + 0.2 * torch.randn(N)  # of both signs
        leaves = kit.Leaves(
            Lambda_re=kit.rounded(re), Lambda_im=kit.rounded(1 + 2 * torch.arange(N) + 0.2 * torch.randn(N)),
            log_dt=uniform(kit, math.log(0.01), math.log(0.3), D, 2), W=kit.random(D, N, 2),
            D=kit.random(D), output_linear=kit.random(D, D, scale=D**-0.5),
            output_linear_bias=kit.random(D, scale=0.5))
        kit.block_case("dss" + suffix, "dss", config, leaves, lambda p, x: dss(p, x, length), shape)


def write(kit):
    for seed, family in enumerate((write_conv, write_mamba, write_s4d, write_dss)):
        torch.manual_seed(20 + seed)
        family(kit)
