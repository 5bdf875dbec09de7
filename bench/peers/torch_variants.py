"""Faster forms of some blocks than the loop over time of tools/torch_blocks, as people write them:
VARIANTS[block][way] is a forward(self, x) for the module of that block."""

VARIANTS = {}
