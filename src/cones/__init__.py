"""cones: train embeddings that separate."""
