"""The whole of `kadrd train` on made-up coloured pictures, with the teacher's word made up as well."""

import argparse
import json

import numpy as np
import pytest
from PIL import Image

for needed in ("torch", "timm" if False else "tokenizers"):
    pytest.importorskip(needed, reason=f"training needs {needed} (the extra `models`)")
