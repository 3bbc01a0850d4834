"""Turns pictures and words into vectors.

models, runtime, tokenizer, preprocess and clean run a finished model folder and load neither torch nor open_clip nor
Pillow, so that the always-on process stays small. The rest makes such folders and runs in commands only.
"""
