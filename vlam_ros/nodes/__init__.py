"""The ROS nodes: messages in, one call, messages out."""
