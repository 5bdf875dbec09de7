"""Models whose head is the embedding, as Zoology's: attention and nothing (identity), twice."""

import torch


def write(kit):
    torch.manual_seed(11)
    layers = [{"block": "attention", "config": {"n_heads": 1}, "residual": True},
              {"block": "identity", "config": {}, "residual": True}] * 2
    for name, norm, asked in [("some", "layer", 0.4), ("all", "none", 1.0)]:
        blocks = []
        for _ in range(2):
            blocks += [(kit.attention_leaves(), lambda w, x: kit.attention(w, x, 1)),
                       (kit.Leaves(), lambda w, x: x)]
        spec = kit.spec_of(layers, norm=norm, head="tied", vocab_size=9, n_classes=9)
        kit.model_case(f"tied_{name}", spec, blocks, torch.rand(kit.B, kit.T) < asked)
