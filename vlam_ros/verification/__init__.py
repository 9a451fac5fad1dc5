"""The gate that every chunk passes, whoever proposed it."""
