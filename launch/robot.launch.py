"""All that runs on a robot: what thinks (one process, or one a node), and the command_gate, always its own process."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from latentworld.ros.robots import located, takes_commands
from launch import LaunchDescription

PACKAGE = "latentworld_ros"
NODES = ("perception_encoder", "world_state_tracker", "consequence_simulator", "action_selector", "visual_memory")
TOPICS = {
    "image": "camera/image_raw",
    "depth": "camera/depth/image_raw",
    "scan": "scan",
    "odom": "odom",
    "cmd_vel": "cmd_vel",
}
CONFIG = Path(__file__).resolve().parent.parent / "config"


def nodes(context):
    composed = LaunchConfiguration("composed")
    robot = located(LaunchConfiguration("robot").perform(context))
    common = {
        "package": PACKAGE,
        "namespace": LaunchConfiguration("namespace"),
        "parameters": [
            LaunchConfiguration("params_file"),
            {"use_sim_time": LaunchConfiguration("use_sim_time")}
            | ({"robot": ParameterValue(robot, value_type=str)} if robot else {}),
        ],
        "remappings": [(topic, LaunchConfiguration(name)) for name, topic in TOPICS.items()],
        "output": "screen",
        "on_exit": Shutdown(),
    }
    gate = [Node(executable="command_gate", **common)] if not robot or takes_commands(robot) else []
    return [
        *gate,
        Node(executable="robot", condition=IfCondition(composed), **common),
        *(Node(executable=name, condition=UnlessCondition(composed), **common) for name in NODES),
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "robot",
                default_value="",
                description="its description: name of one that ships, or a YAML file; empty: as params_file says",
            ),
            DeclareLaunchArgument("composed", default_value="true", description="one process, or one a node"),
            DeclareLaunchArgument(
                "params_file", default_value=str(CONFIG / "robot.yaml"), description="parameters of all nodes"
            ),
            DeclareLaunchArgument("namespace", default_value="", description="of all nodes and topics"),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="take the time from /clock"),
            *(
                DeclareLaunchArgument(name, default_value=topic, description=f"topic of {name}")
                for name, topic in TOPICS.items()
            ),
            OpaqueFunction(function=nodes),
        ]
    )
