"""robot.launch.py with the embedded simulator for a robot. Takes the same arguments."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from latentworld.ros.robots import located
from launch import LaunchDescription

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parent / "config"
TOPICS = {
    "image": "camera/image_raw",
    "depth": "camera/depth/image_raw",
    "scan": "scan",
    "odom": "odom",
    "cmd_vel": "cmd_vel",
}


def simulator(context):
    robot = located(LaunchConfiguration("robot").perform(context))
    chosen = [{"robot": ParameterValue(robot, value_type=str)}] if robot else []
    return [
        Node(
            package="latentworld_ros",
            executable="simulator",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("sim_params_file"), *chosen],
            remappings=[(topic, LaunchConfiguration(name)) for name, topic in TOPICS.items()],
            output="screen",
            on_exit=Shutdown(),
        )
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "sim_params_file", default_value=str(CONFIG / "sim.yaml"), description="the simulator's parameters"
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(HERE / "robot.launch.py")),
                launch_arguments={"use_sim_time": "true"}.items(),
            ),
            OpaqueFunction(function=simulator),
        ]
    )
