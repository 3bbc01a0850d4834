"""Training of the built-in model: the only part of the daemon that imports torch, apart from the converter."""
