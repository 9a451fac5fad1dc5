"""Messages into what flows between the stages, whoever deserialised them: rclpy or `rosbags`.

Both give objects with the same attributes, so that a robot and a replay of its bag read the same.
"""
