"""A robot's description made from what it says of itself on the ROS graph. No ROS: ``ros/describe.py`` listens."""
