"""The blocks of load_in_torch.py that PyTorch has no module for, one file per family. What a module
consists of is said there."""
