"""Every run has a ROS domain of its own, on this machine alone: it neither hears nor is heard by any other."""

import os
import signal

from latentworld.ros.domain import unused_domain

os.environ["ROS_DOMAIN_ID"] = str(unused_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("MUJOCO_GL", "egl")
# A shell that starts the tests in the background has them ignore Ctrl-C, and so would all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"ROS_DOMAIN_ID: {os.environ['ROS_DOMAIN_ID']}"
