"""Between ROS and the plain-Python system: conversions, QoS, parameters, diagnostics, live runs."""
