"""GRU in PyTorch's form, gates r, z, n, one position after the other."""

import torch

from .straight_through import exact, levels


def gru(w, x, held=exact):
    (w_ir, w_iz, w_in), (w_hr, w_hz, w_hn) = w["w_ih"].chunk(3, 1), w["w_hh"].chunk(3, 1)
    b_r, b_z, b_in = w["bias"].chunk(3)
    h, outputs = torch.zeros_like(x[:, 0]), []
    for x_t in x.unbind(1):
        r = torch.sigmoid(x_t @ w_ir + h @ w_hr + b_r)
        z = torch.sigmoid(x_t @ w_iz + h @ w_hz + b_z)
        n = torch.tanh(x_t @ w_in + b_in + r * (h @ w_hn + w["bias_hn"]))
        h = held((1 - z) * n + z * h)
        outputs.append(h)
    return torch.stack(outputs, 1)


def write(kit):
    torch.manual_seed(5)
    int4 = {"state_format": "int4", "state_range": 0.9}
    for name, shape, config, held in [("gru", (2, 7, 8), {}, exact), ("gru_odd", (1, 17, 9), {}, exact),
                                      ("gru_int4", (2, 7, 8), int4, levels(4, 0.9))]:
        D = shape[2]
        leaves = kit.Leaves(w_ih=kit.random(D, 3 * D, scale=0.5), w_hh=kit.random(D, 3 * D, scale=0.5),
                            bias=kit.random(3 * D), bias_hn=kit.random(D))
        kit.block_case(name, "gru", config, leaves, lambda w, x: gru(w, x, held), shape)
