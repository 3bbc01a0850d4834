"""The path of a picture, in the order of its modules.

watch     folder events, as hints: which folder is dirty
scan      one folder compared with the catalogue: what is new, changed, gone
settle    when a changed file is quiet enough to be read
digest    the two keys of a file's bytes
decode    bytes to upright sRGB pixels          (in the worker only)
worker    the process that reads, decodes and encodes; workers: the daemon's end of it
pipeline  the spine
"""
