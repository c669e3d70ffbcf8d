"""Settings of every test: one thread a worker, so that runs side by side do not fight for the cores; none is timed."""

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
