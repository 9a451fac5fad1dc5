"""Labelled images to learn from, in COCO's format: of bags, of others and of simulation."""
