"""Runs of the nodes themselves, as processes over ROS topics: started, told and listened to."""
