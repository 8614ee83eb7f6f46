"""ROS 2 nodes: parameters, QoS, message codecs, lifecycle. No logic of the loop lives here."""
