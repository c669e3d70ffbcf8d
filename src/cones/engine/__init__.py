"""The engine: margin-softmax losses and their gradients, exact, without the N x K logits, over any number of ranks."""
