"""plan -> cmd_vel, in its own process: sends on what the guard lets through, stops the base without a planner."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from latentworld.parameters import parameter
from latentworld.robot_file import DEFAULT
from latentworld.ros import commands, qos, robots
from latentworld.ros.codecs import PLAN
from latentworld.ros.diagnostics import ERROR
from latentworld.ros.node import ManagedNode
from latentworld.ros.process import go_ahead_of_others, run
from latentworld.selection.guard import Guard, GuardParameters, Reason, Verdict
from latentworld.types import Action, LatentworldError, Plan, PlanStatus, seconds


@dataclass(frozen=True, slots=True)
class CommandGateParameters:
    robot: str = parameter(DEFAULT, robots.PARAMETER)
    rate: float = parameter(50.0, "Hz of commands", 1.0, 200.0)
    enable_stamped_cmd_vel: bool = parameter(True, commands.STAMPED)
    guard: GuardParameters = GuardParameters()


class CommandGateNode(ManagedNode):
    defaults = CommandGateParameters()

    def __init__(self, **options: Any) -> None:
        super().__init__("command_gate", **options)
        self._commands: commands.CommandPublisher | None = None

    def configure(self) -> None:
        robot = robots.described(self.parameters.robot)
        try:
            self._guard = Guard(self.parameters.guard, robot.base)
        except LatentworldError as error:
            raise LatentworldError(f"robot {self.parameters.robot}: {error}") from None
        self._commands = commands.CommandPublisher(self, self.parameters.enable_stamped_cmd_vel)

    def activate(self) -> None:
        self._guard.halt()
        self._reason: Reason | None = None
        self._timer = self.every(1.0 / self.parameters.rate, self._tick)
        self.input(PLAN, "plan", qos.belief(), self._on_plan)

    def deactivate(self) -> None:
        self._guard.halt()
        self._commands.stop()

    def cleanup(self) -> None:
        if self._commands is not None:
            self._commands.destroy()
        self._commands = None

    def watch(self) -> None:
        commands.check_type(self, self.parameters.enable_stamped_cmd_vel)

    def _on_plan(self, plan: Plan) -> None:
        now = self.now()
        self._guard.accept(plan, now, time.monotonic())
        self.diagnostics.count("plans")
        if plan.status is PlanStatus.OK:
            self.diagnostics.took("camera to command", seconds(now - plan.observation_stamp))
            self._timer.reset()
            self._tick()

    def _tick(self) -> None:
        now = self.now()
        verdict = self._guard.tick(now, time.monotonic())
        self._commands.send(Action(now, verdict.linear, verdict.angular, verdict.lateral))
        self.diagnostics.count("commands")
        self._say(verdict)

    def _say(self, verdict: Verdict) -> None:
        """Why the base moves or stands: in the log when the reason changes, in the diagnostics as it is now."""
        text = verdict.reason.value + (f": {verdict.detail}" if verdict.detail else "")
        self.diagnostics.value("reason", text)
        if verdict.reason is not self._reason:
            for reason in Reason:
                self.diagnostics.clear(reason.name)
            if verdict.reason.ordinary:
                self.get_logger().info(text)
        self._reason = verdict.reason
        if not verdict.reason.ordinary:
            self.diagnostics.problem(verdict.reason.name, ERROR, f"stopping the base: {text}")


def main() -> None:
    go_ahead_of_others()  # or, where that takes a right it does not have, as fast as others
    run(lambda: [CommandGateNode()])


if __name__ == "__main__":
    main()
