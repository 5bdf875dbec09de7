"""Blocks as programs written from the equations alone, one file per family: write(kit) writes its
cases with the functions of make_torch_fixtures.py. They share nothing with torch_blocks, because
each is held against the other."""
