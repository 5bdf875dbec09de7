"""What load_in_torch.py raises."""


class LoadError(ValueError):
    """The file is damaged, or no model that is known here. The text begins with its name."""
