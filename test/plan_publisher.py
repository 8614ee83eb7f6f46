"""A planner for tests, to be killed or stopped: publishes at 10 Hz a plan to drive on, until it is."""

import sys

import numpy as np
import rclpy
from latentworld_ros.msg import Plan as PlanMessage

from latentworld.ros import qos
from latentworld.ros.codecs import plan_to_message
from latentworld.types import ActionSequence, Plan, PlanStatus

rclpy.init()
node = rclpy.create_node("plan_publisher")
publisher = node.create_publisher(PlanMessage, "plan", qos.belief())
SEQUENCE = ActionSequence(0.2, np.tile(np.float32([0.4, 0.2]), (15, 1)))


def publish():
    now = node.get_clock().now().nanoseconds
    publisher.publish(plan_to_message(Plan(now, now, "test", PlanStatus.OK, SEQUENCE, None)))


node.create_timer(0.1, publish)
sys.exit(rclpy.spin(node))
