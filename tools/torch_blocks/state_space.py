"""conv, mamba, s4d, dss: blocks whose state is linear in what it was before, as recurrences."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .state_format import CONFIG as STATE_FORMAT, StateFormat


def causal_conv(x, weight, bias, state_format):
    """weight [K, D], its last row for the newest input; the others read what the state held."""
    past = F.pad(state_format(x), (0, 0, len(weight) - 1, 0))
    y = x * weight[-1]
    for j in range(len(weight) - 1):
        y = y + past[:, j : j + x.shape[1]] * weight[j]
    return y if bias is None else y + bias


def empty(*shape, device):
    return nn.Parameter(torch.zeros(*shape, device=device))


class Conv(nn.Module):
    CONFIG = {"kernel": 4, "bias": True, "activation": ("none", "silu"), **STATE_FORMAT}

    def __init__(self, width, config, device=None):
        super().__init__()
        self.format, self.silu = StateFormat(config), config["activation"] == "silu"
        self.weight = empty(config["kernel"], width, device=device)
        self.bias = empty(width, device=device) if config["bias"] else None

    def forward(self, x):
        y = causal_conv(x, self.weight, self.bias, self.format)
        return F.silu(y) if self.silu else y

    def read(self, take):
        state = {"weight": take("weight", 2)}
        return state if self.bias is None else {**state, "bias": take("bias", 1)}


class Mamba(nn.Module):
    CONFIG = {"expand": 2, "d_state": 16, "d_conv": 4, "dt_rank": 0,
              "eigenvalues": ("positive", "signed"), **STATE_FORMAT}

    def __init__(self, width, config, device=None):
        super().__init__()
        self.format, self.signed = StateFormat(config), config["eigenvalues"] == "signed"
        self.N, self.R = config["d_state"], config["dt_rank"] or math.ceil(width / 16)
        e = config["expand"] * width
        bare = {"bias": False, "device": device}
        self.in_proj = nn.Linear(width, 2 * e, **bare)
        self.conv1d = empty(config["d_conv"], e, device=device)
        self.conv1d_bias = empty(e, device=device)
        self.x_proj = nn.Linear(e, self.R + 2 * self.N, **bare)
        self.dt_proj = nn.Linear(self.R, e, device=device)
        self.A_log = empty(e, self.N, device=device)
        self.D = empty(e, device=device)
        self.out_proj = nn.Linear(e, width, **bare)

    def forward(self, x):
        u, z = self.in_proj(x).chunk(2, -1)
        c = F.silu(causal_conv(u, self.conv1d, self.conv1d_bias, self.format))
        r, B, C = self.x_proj(c).split([self.R, self.N, self.N], -1)
        dt = F.softplus(self.dt_proj(r))
        A = -self.A_log.exp()
        h = torch.zeros(x.shape[0], *A.shape, dtype=x.dtype, device=x.device)
        outputs = []
        for t in range(x.shape[1]):
            a = (dt[:, t, :, None] * A).exp()
            a = 2 * a - 1 if self.signed else a
            h = self.format(a * h + (dt * c)[:, t, :, None] * B[:, t, None, :])
            outputs.append((h * C[:, t, None, :]).sum(-1))
        y = torch.stack(outputs, 1) + self.D * c
        return self.out_proj(y * F.silu(z))

    def read(self, take):
        state = {f"{n}.weight": take(n, 2).T for n in ("in_proj", "x_proj", "dt_proj", "out_proj")}
        state["dt_proj.bias"] = take("dt_proj_bias", 1)
        vectors = {n: take(n, 1) for n in ("conv1d_bias", "D")}
        return {**state, **vectors, **{n: take(n, 2) for n in ("conv1d", "A_log")}}


class Diagonal(nn.Module):
    """y_t = Re sum over modes of c s_t + D x_t, s_t = a s_{t-1} + b x_t, then GELU and a linear
    layer. What the modes are made of is made in double, as in the program."""

    def recur(self, x, a, b, c):
        kind = torch.complex128 if x.dtype == torch.float64 else torch.complex64
        a, b, c = a.to(kind), b.to(kind), c.to(kind)
        s = torch.zeros(x.shape[0], *a.shape, dtype=kind, device=x.device)
        outputs = []
        for t in range(x.shape[1]):
            s = a * s + b * x[:, t, :, None]
            if not self.format.is_float32:
                s = torch.complex(self.format(s.real), self.format(s.imag))
            outputs.append((c * s).real.sum(-1))
        return torch.stack(outputs, 1) + self.D * x

    def doubles(self, *names):
        return [getattr(self, name).double() for name in names]

    def read(self, take):
        state = {n: take(n, p.dim()) for n, p in self.named_parameters(recurse=False)}
        return {**state, "output_linear.weight": take("output_linear", 2).T,
                "output_linear.bias": take("output_linear_bias", 1)}


DIAGONAL = {"d_state": 64, "form": ("auto", "convolution", "recurrence"), **STATE_FORMAT}


class S4d(Diagonal):
    CONFIG = DIAGONAL

    def __init__(self, width, config, device=None):
        super().__init__()
        self.format, modes = StateFormat(config), config["d_state"] // 2
        self.log_A_real = empty(width, modes, device=device)
        self.A_imag = empty(width, modes, device=device)
        self.log_dt = empty(width, device=device)
        self.C = empty(width, modes, 2, device=device)
        self.D = empty(width, device=device)
        self.output_linear = nn.Linear(width, 2 * width, device=device)

    def forward(self, x):
        log_A_real, A_imag, log_dt, C = self.doubles("log_A_real", "A_imag", "log_dt", "C")
        A = torch.complex(-log_A_real.exp(), A_imag)
        a = (log_dt.exp()[:, None] * A).exp()
        y = self.recur(x, a, (a - 1) / A, 2 * torch.view_as_complex(C))
        return F.glu(self.output_linear(F.gelu(y)), -1)


class Dss(Diagonal):
    CONFIG = {**DIAGONAL, "kernel": ("exp", "softmax"), "length": 0}

    def __init__(self, width, config, device=None):
        super().__init__()
        self.format, modes = StateFormat(config), config["d_state"]
        self.softmax, self.length = config["kernel"] == "softmax", config["length"]
        self.Lambda_re = empty(modes, device=device)
        self.Lambda_im = empty(modes, device=device)
        self.log_dt = empty(width, 2, device=device)
        self.W = empty(width, modes, 2, device=device)
        self.D = empty(width, device=device)
        self.output_linear = nn.Linear(width, width, device=device)

    def forward(self, x):
        re, im, log_dt, W = self.doubles("Lambda_re", "Lambda_im", "log_dt", "W")
        re = re if self.softmax else -re.exp()
        dt = log_dt.exp()
        z = torch.complex(dt[:, :1] * re, dt[:, 1:] * im)
        lam = torch.complex(re, im)
        b = self.normalised(z, lam) if self.softmax else (z.exp() - 1) / lam
        y = self.recur(x, z.exp(), b, torch.view_as_complex(W))
        return self.output_linear(F.gelu(y))

    def normalised(self, z, lam):
        """1 / (lam sum of e^{zl} over l < length), from the far end where |e^z| > 1."""
        sign = 1 - 2 * (lam.real > 0).double()
        p = ((sign * z * self.length).exp() - 1) * lam
        from_end = (-z * (self.length - 1) * (sign < 0)).exp()
        return ((sign * z).exp() - 1) * p.conj() / (p.abs().square() + 1e-7) * from_end
