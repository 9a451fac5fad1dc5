"""Training of the action transformer: demonstrations by an expert, and what is learned of them."""
