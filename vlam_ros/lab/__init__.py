"""The laboratory: what makes and measures the robot. Nothing of the robot imports it."""
