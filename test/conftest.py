"""Every run has a ROS domain of its own, on this machine alone: it neither hears nor is heard by any other; and a ROS
home of its own, so that it neither reads nor writes what is kept with robots.
"""

import atexit
import os
import shutil
import signal
import tempfile

from latentworld.ros.domain import unused_domain

os.environ["ROS_DOMAIN_ID"] = str(unused_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ["ROS_HOME"] = tempfile.mkdtemp(prefix="latentworld-home-")
atexit.register(shutil.rmtree, os.environ["ROS_HOME"], ignore_errors=True)
# A shell that starts the tests in the background has them ignore Ctrl-C, and so would all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"ROS_DOMAIN_ID: {os.environ['ROS_DOMAIN_ID']}"
