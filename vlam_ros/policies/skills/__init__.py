"""The planner: skills written by hand, one file each."""
