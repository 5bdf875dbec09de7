"""gru: what torch.nn.GRU computes."""

import torch
from torch import nn

from .state_format import CONFIG, StateFormat


class Gru(nn.Module):
    """The function behind torch.nn.GRU, whose second biases of r and z are left out: they add to the
    first. What PyTorch has not: the state may be rounded after each step."""

    CONFIG = CONFIG

    def __init__(self, width, config, device=None):
        super().__init__()
        self.width, self.format = width, StateFormat(config)
        like = nn.GRU(width, width, device=device)
        self.weight_ih, self.weight_hh = like.weight_ih_l0, like.weight_hh_l0
        self.bias = like.bias_ih_l0
        self.bias_hn = nn.Parameter(like.bias_hh_l0.detach()[2 * width:].clone())

    def forward(self, x):
        second_bias = torch.cat([torch.zeros_like(self.bias[:2 * self.width]), self.bias_hn])
        weights = [self.weight_ih, self.weight_hh, self.bias, second_bias]
        h = torch.zeros_like(x[:, 0])
        if self.format.is_float32:
            return torch.gru(x, h[None], weights, True, 1, 0.0, False, False, True)[0]
        states = []
        for t in range(x.shape[1]):
            h = self.format(torch.gru_cell(x[:, t], h, *weights))
            states.append(h)
        return torch.stack(states, 1)

    def read(self, take):
        return {"weight_ih": take("w_ih", 2).T, "weight_hh": take("w_hh", 2).T,
                "bias": take("bias", 1), "bias_hn": take("bias_hn", 1)}
