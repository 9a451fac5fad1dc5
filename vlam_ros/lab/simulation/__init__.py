"""MuJoCo worlds, without ROS. In a `World` time stands still: random scenes, a base that is put
somewhere, what its camera, LiDAR and IMU measure. In a `Simulator` a robot with an arm drives and
works under the laws of mechanics. Both tell the truth behind what is measured.
"""
