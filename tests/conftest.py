"""Settings of every test: one thread per worker, so that parallel runs do not compete for cores; nothing is timed."""

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
