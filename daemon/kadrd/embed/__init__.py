"""Turns pictures and words into vectors.

Everything here but `convert` runs a finished model folder and must not import torch, open_clip or Pillow,
so that the always-on process stays small.
"""
