"""The two models of the benchmark in PyTorch, as people write them, and with the dead work removed."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Causal, one projection for queries, keys and values (as nanoGPT writes it)."""

    def __init__(self, width, heads, length):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.register_buffer('mask', torch.ones(length, length).tril().bool(), persistent=False)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x):
        batch, time, width = x.shape
        q, k, v = (self.split(part) for part in self.qkv(x).split(width, dim=2))
        scores = q @ k.transpose(2, 3) / math.sqrt(width // self.heads)
        scores = scores.masked_fill(~self.mask[:time, :time], -math.inf)
        y = F.softmax(scores, dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, time, width))

    def last(self, x):
        """The output at the last position only, [batch, 1, width]: all keys, one query."""
        width = x.shape[2]
        wq, wkv = self.qkv.weight.split([width, 2 * width])
        q = self.split(F.linear(x[:, -1:], wq))
        k, v = (self.split(part) for part in F.linear(x, wkv).split(width, dim=2))
        y = F.softmax(q @ k.transpose(2, 3) / math.sqrt(width // self.heads), dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(x.shape[0], 1, width))


class Transformer(nn.Module):
    """Pre-norm, learned positions, GELU MLP four times as wide, final norm, linear head."""

    def __init__(self, vocab, classes, width, layers, heads, length):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.positions = nn.Embedding(length, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))
        self.attentions = nn.ModuleList(Attention(width, heads, length) for _ in range(layers))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens, only_last=False):
        x = self.embedding(tokens) + self.positions.weight[:tokens.shape[1]]
        last_layer = len(self.attentions) - 1
        for layer, (attention, mlp) in enumerate(zip(self.attentions, self.mlps)):
            normed = self.norms[2 * layer](x)
            if only_last and layer == last_layer:
                x = x[:, -1:] + attention.last(normed)
            else:
                x = x + attention(normed)
            x = x + mlp(self.norms[2 * layer + 1](x))
        return self.head(self.norm(x))

    def weights(self):
        """Name in a Separatrix model file -> array; matrices are [in, out] there."""
        named = {'embedding': self.embedding.weight, 'positions': self.positions.weight,
                 'norm.gain': self.norm.weight, 'norm.bias': self.norm.bias,
                 'head': self.head.weight.t(), 'head_bias': self.head.bias}
        for layer, (attention, mlp) in enumerate(zip(self.attentions, self.mlps)):
            for offset, norm in enumerate(self.norms[2 * layer:2 * layer + 2]):
                named[f'layers.{2 * layer + offset}.norm.gain'] = norm.weight
                named[f'layers.{2 * layer + offset}.norm.bias'] = norm.bias
            at = f'layers.{2 * layer}.attention.'
            for name, part in zip('qkv', attention.qkv.weight.chunk(3)):
                named[at + name] = part.t()
            named[at + 'o'] = attention.out.weight.t()
            at = f'layers.{2 * layer + 1}.mlp.'
            named.update({at + 'in': mlp[0].weight.t(), at + 'in_bias': mlp[0].bias,
                          at + 'out': mlp[2].weight.t(), at + 'out_bias': mlp[2].bias})
        return {name: value.detach().contiguous().numpy() for name, value in named.items()}


class Lstm(nn.Module):
    def __init__(self, vocab, classes, width, layers, **_):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.lstm = nn.LSTM(width, width, num_layers=layers, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens, only_last=False):
        x, _ = self.lstm(self.embedding(tokens))
        return self.head(x[:, -1:] if only_last else x)

    def weights(self):
        """As for Transformer; the two biases of PyTorch's LSTM are one there, their sum."""
        named = {'embedding': self.embedding.weight, 'head': self.head.weight.t(),
                 'head_bias': self.head.bias}
        for layer in range(self.lstm.num_layers):
            (w_ih, w_hh, b_ih, b_hh), at = self.lstm.all_weights[layer], f'layers.{layer}.lstm.'
            named.update({at + 'w_ih': w_ih.t(), at + 'w_hh': w_hh.t(), at + 'bias': b_ih + b_hh})
        return {name: value.detach().contiguous().numpy() for name, value in named.items()}
