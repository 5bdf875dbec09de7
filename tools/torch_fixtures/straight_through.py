"""States of b bits: k R / K with k = -K .. K, K = 2^(b-1) - 1."""

import torch


class Levels(torch.autograd.Function):
    """The nearest level; the gradient as if there were none."""

    @staticmethod
    def forward(context, x, bits, largest):
        K = 2 ** (bits - 1) - 1
        return torch.clamp(torch.round(x * (K / largest)), -K, K) * (largest / K)

    @staticmethod
    def backward(context, dy):
        return dy, None, None


def levels(bits, largest):
    return lambda x: Levels.apply(x, bits, largest)


def exact(x):
    return x
