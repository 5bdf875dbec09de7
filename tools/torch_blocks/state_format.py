"""How the state of a recurrent block is stored between positions (docs/blocks.md, State formats)."""

import torch

CONFIG = {
    "state_format": ("float32", "bfloat16", "float16", "int8", "int4", "int2", "bit"),
    "state_range": 1.0,
}


class StateFormat:
    """state -> what the format holds of it; gradients pass the rounding unchanged."""

    def __init__(self, config):
        self.name, self.range = config["state_format"], config["state_range"]

    @property
    def is_float32(self):
        return self.name == "float32"

    def __call__(self, x):
        if self.is_float32:
            return x
        # The second term is 0 and carries the gradient (held + x - x would be rounded).
        return self.held(x.detach()) + (x - x.detach())

    def held(self, x):
        if self.name == "bit":
            return (x >= 0.5).to(x.dtype)
        if self.name in ("bfloat16", "float16"):
            small = getattr(torch, self.name)
            largest = torch.finfo(small).max
            return x.clamp(-largest, largest).to(small).to(x.dtype)
        most = 2 ** (int(self.name[3:]) - 1) - 1
        levels = (x.double() / self.range).clamp(-1, 1) * most
        return (levels.round() * self.range / most).to(x.dtype)
