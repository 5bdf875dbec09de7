"""Faster forms of some blocks than the loop over time of tools/torch_blocks, as people write them:
VARIANTS[block][way] is a forward(self, x) for the module of that block."""

import math

import torch
from torch.nn import functional as F

from torch_blocks.state_space import causal_conv


def mamba_cumulative(self, x):
    """All states at once: h_t = a_t h_{t-1} + b_t by doubling, log2(T) passes over [B, T, e, N]."""
    u, z = self.in_proj(x).chunk(2, -1)
    c = F.silu(causal_conv(u, self.conv1d, self.conv1d_bias, self.format))
    r, B, C = self.x_proj(c).split([self.R, self.N, self.N], -1)
    dt = F.softplus(self.dt_proj(r))
    a = (dt[..., None] * -self.A_log.exp()).exp()
    a = 2 * a - 1 if self.signed else a
    h = (dt * c)[..., None] * B[:, :, None, :]
    reach, T = 1, x.shape[1]
    while reach < T:
        h = torch.cat([h[:, :reach], h[:, reach:] + a[:, reach:] * h[:, :-reach]], 1)
        a = torch.cat([a[:, :reach], a[:, reach:] * a[:, :-reach]], 1)
        reach *= 2
    y = torch.einsum('bten,btn->bte', h, C) + self.D * c
    return self.out_proj(y * F.silu(z))


def retention_parallel(self, x):
    """(Q K^T * decay) V, as published; the divisors of the rows cancel in the norm of the heads."""
    T, pairs = x.shape[1], self.d_head // 2
    theta = torch.exp(-math.log(10000) / max(pairs - 1, 1) * torch.arange(pairs, dtype=x.dtype))
    angles = torch.arange(T, dtype=x.dtype)[:, None] * theta
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]

    def turned(y):
        even, odd = y[..., :2 * pairs:2], y[..., 1:2 * pairs:2]
        pair = torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)
        return torch.cat([pair, y[..., 2 * pairs:]], -1)

    q, k, v = (self.heads(f(x)) for f in (self.q, self.k, self.v))
    q, k, v = (y.transpose(1, 2) for y in (turned(q), turned(k / math.sqrt(self.d_head)), v))
    decay = 1 - 2.0 ** (-5 - torch.arange(self.n_heads, dtype=x.dtype))
    distance = torch.arange(T)[:, None] - torch.arange(T)
    mask = torch.where(distance >= 0, decay[:, None, None] ** distance, torch.zeros(()))
    o = ((q @ k.transpose(-1, -2)) * mask) @ v
    return self.o(self.normed(o.transpose(1, 2)).flatten(2) * F.silu(self.g(x)))


def s4d_fft(self, x):
    """y = K * x by the fast Fourier transform."""
    T = x.shape[1]
    A = torch.complex(-self.log_A_real.exp(), self.A_imag)
    dt_A = self.log_dt.exp()[:, None] * A
    C = torch.view_as_complex(self.C) * (dt_A.exp() - 1) / A
    K = 2 * torch.einsum('dn,dnl->dl', C, (dt_A[..., None] * torch.arange(T)).exp()).real
    y = torch.fft.irfft(torch.fft.rfft(x.transpose(1, 2), n=2 * T) * torch.fft.rfft(K, n=2 * T), n=2 * T)[..., :T]
    y = y.transpose(1, 2) + self.D * x
    return F.glu(self.output_linear(F.gelu(y)), -1)


VARIANTS = {
    'mamba': {'cumulative': mamba_cumulative},
    'retention': {'parallel': retention_parallel},
    's4d': {'fft': s4d_fft},
}
