"""Settings of every test: one thread a worker, so that runs side by side do not fight for the cores."""

import torch

torch.set_num_threads(1)
