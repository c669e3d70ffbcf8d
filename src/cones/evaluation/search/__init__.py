"""Search among embeddings: identification, retrieval, clusters."""
