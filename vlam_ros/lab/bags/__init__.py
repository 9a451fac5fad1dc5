"""Bags of rosbag2, read and written without ROS."""

from vlam_ros.lab.bags.files import find_bags
from vlam_ros.lab.bags.reader import BagMessage, BagReader
from vlam_ros.lab.bags.transforms import TransformTree
from vlam_ros.lab.bags.writer import BagWriter, RecordedQos

__all__ = ["BagMessage", "BagReader", "BagWriter", "RecordedQos", "TransformTree", "find_bags"]
