"""The `vlam` command: one module for each subcommand, and what several of them show or ask."""
