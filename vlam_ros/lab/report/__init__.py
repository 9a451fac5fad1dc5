"""Pages and tables for people: of replays, task evaluations and trainings."""
