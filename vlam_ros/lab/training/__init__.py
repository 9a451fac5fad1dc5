"""Making and tuning models: objectives, data, recipes and trainers. No robot imports this."""
