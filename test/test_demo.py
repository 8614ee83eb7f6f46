"""The demo end to end over DDS, small: it drives, records, scores, draws, and leaves no process behind."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import psutil
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from waiting import until

from latentworld.demo import scoring
from latentworld.demo.command import run_demo
from latentworld.demo.latency import camera_to_command
from latentworld.demo.recording import Recorded
from latentworld.ros.demo_client import Drive
from latentworld.types import NANOSECONDS, Action, ActionSequence, LatentworldError, Plan, PlanStatus

MARK = "LATENTWORLD_TEST_RUN"
TOPICS = (
    "/clock", "/odom", "/cmd_vel", "/camera/image_raw", "/camera/depth/image_raw", "/camera/camera_info",
    "/ground_truth", "/latent_observation", "/world_state", "/surprise", "/plan", "/diagnostics", "/rosout",
)  # fmt: skip


def start(output, *options):
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "latentworld.cli", "demo", "--out", str(output)]
    command += ["--pose-episodes", "1", "--image-episodes", "0", *options]
    demo = subprocess.Popen(
        command, env=os.environ | {MARK: mark}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return demo, mark


def marked(mark):
    """What runs with this mark in its environment: the demo and all it started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One episode, driven and drawn."""
    output = tmp_path_factory.mktemp("demo")
    process, mark = start(output, "--json", str(output / "figures.json"))
    said, _ = process.communicate(timeout=300)
    return output, process.returncode, said, marked(mark)


def test_it_says_how_it_went_and_leaves_nothing_running(demo):
    output, status, said, left = demo
    assert status in (0, 1), said
    assert ("The world model won." in said) == (status == 0)
    assert ("not won:" in said) == (status == 1)
    assert "camera to command" in said and "1/1 room 2000000" in said
    assert "Traceback" not in said and "Traceback" not in (output / "demo.log").read_text()
    assert left == []


def test_the_scorecard_has_the_common_form(demo):
    output, *_ = demo
    card = json.loads((output / "scorecard.json").read_text())
    assert card == json.loads((output / "figures.json").read_text())
    assert set(card) == {"figures", "settings", "machine"}
    figures = card["figures"]
    for who in ("pose", "blind", "reactive", "oracle"):
        assert {f"{who}_{what}" for what in ("success", "clean", "contact", "drop")} <= set(figures)
    assert {"plan_ms_p50", "plan_ms_p99", "control_hz", "camera_to_command_ms_p99", "cpu_robot"} <= set(figures)
    assert figures["deadline_ms"] > 0 and figures["control_hz"] > 0
    assert 1 < figures["camera_to_command_ms_p50"] < 1000
    assert all(isinstance(value, float) and np.isfinite(value) for value in figures.values())


def test_the_bag_is_read_without_ros(demo):
    output, *_ = demo
    heard = Counter()
    with open(output / "demo.mcap", "rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        for _, channel, record, message in reader.iter_decoded_messages():
            heard[channel.topic] += 1
            assert record.publish_time <= record.log_time + NANOSECONDS
            if channel.topic == "/plan" and message.status == PlanStatus.OK:
                assert len(message.best.values) == 2 * len(message.consequence.poses)
            if channel.topic == "/camera/depth/image_raw":
                assert message.encoding == "32FC1" and len(message.data) == message.step * message.height
    assert not [topic for topic in TOPICS if heard[topic] == 0], heard


def test_the_pictures_show_something(demo):
    output, *_ = demo
    strip = cv2.imread(str(output / "filmstrip.png"))
    assert strip.shape[1] >= 1280 and strip.shape[0] >= 720
    assert strip.std() > 20
    film = imageio_ffmpeg.read_frames(str(output / "demo.mp4"))
    about = next(film)
    width, height = about["size"]
    frames = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in film]
    assert (width, height) == (1280, 720) and about["fps"] == 10
    assert len(frames) > 50
    assert all(frame.std() > 5 for frame in frames)
    assert (
        max(np.abs(frames[40].astype(int) - frames[30]).mean(), np.abs(frames[45].astype(int) - frames[30]).mean())
        > 0.5
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_all_processes_end_with_the_demo(tmp_path, number):
    process, mark = start(tmp_path)
    try:
        until(lambda: len(marked(mark)) >= 4, 60, "simulator, robot and gate")
        bag = tmp_path / "demo.mcap"
        until(lambda: bag.exists() and bag.stat().st_size > 100_000, 60, "a drive being recorded")
        process.send_signal(number)
        until(lambda: not marked(mark), 30, "no process left")
        said, _ = process.communicate(timeout=5)
        assert process.returncode == (130 if number != signal.SIGKILL else -signal.SIGKILL), said
        assert "Traceback" not in said
    finally:
        for left in marked(mark):
            left.kill()


def test_a_process_that_dies_ends_the_demo_and_is_named(tmp_path):
    process, mark = start(tmp_path)
    try:
        until(lambda: len(marked(mark)) >= 4, 60, "simulator, robot and gate")
        gate = next(p for p in marked(mark) if any("command_gate" in word for word in p.cmdline()))
        gate.kill()
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "demo: command_gate ended with status -9" in said and "Traceback" not in said
        assert not marked(mark)
    finally:
        for left in marked(mark):
            left.kill()


def ms(*times):
    return [round(1e6 * t) for t in times]


def test_camera_to_command_takes_the_command_that_obeys_the_plan():
    """Frames at 0 and 100 ms; the gate ticks by its timer each 50 ms, and at once when a plan has come."""
    recorded = Recorded(Drive(0, 0, False, 0, (0, 0, 0), (1, 0, 0), 0, NANOSECONDS, NANOSECONDS, 0, ""))
    recorded.exposed = dict(zip(ms(0, 100), ms(1000, 1100), strict=True))
    sequence = ActionSequence(0.2, np.zeros((2, 2), np.float32))

    def plan(seen, **changes):
        return Plan(
            seen, seen, "m", **({"status": PlanStatus.OK, "samples": 10} | changes), sequence=sequence, consequence=None
        )

    first, second = ms(0, 100)
    recorded.plans = list(zip(ms(1060, 1062, 1159), [plan(first), plan(first), plan(second)], strict=True))
    # 1061: obeys the first plan. 1111: timer. 1160: timer, before the gate had the second plan. 1163: obeys it.
    recorded.commands = [(at, Action(0, 0.1, 0.0)) for at in ms(1011, 1061, 1111, 1160, 1163, 1213)]
    assert camera_to_command(recorded) == pytest.approx([0.061, 0.063])
    recorded.plans = [(at, plan(first, status=PlanStatus.UNSAFE)) for at in ms(1060)]
    assert camera_to_command(recorded) == []


WINNING = {
    "pose_success": 1.0, "pose_clean": 0.9, "pose_drop": 0.0, "blind_clean": 0.5, "reactive_clean": 0.6,
    "control_hz": 9.9, "plan_ms_p99": 55.0, "deadline_ms": 60.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"blind_clean": 0.9}, "expected more than the blind controller's 90%, got 90%"),
        ({"reactive_clean": 0.95}, "the reactive controller's 95%"),
        ({"control_hz": 4.9}, "expected at least 5 plans a second, got 4.9"),
        ({"plan_ms_p99": 60.5}, "expected p99 within 60 ms, got 60.5 ms"),
        ({"image_drop": 0.2}, "expected no drive off one, got 20% of the drives"),
    ],
)
def test_what_counts_as_winning(changes, said):
    why = scoring.shortfalls(WINNING | changes)
    assert why == [] if said is None else len(why) == 1 and said in why[0]


def test_a_run_without_any_plan_did_not_win():
    assert scoring.shortfalls(
        {name: WINNING[name] for name in ("pose_success", "pose_clean", "blind_clean", "reactive_clean")}
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pose_episodes": 0, "image_episodes": 0}, "at least one episode"),
        ({"composed": "maybe"}, "composed: expected true, false or both, got maybe"),
        ({"checkpoint": Path("nothing.safetensors")}, "nothing.safetensors: no such file"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_started(options, said, tmp_path):
    with pytest.raises(LatentworldError, match=said):
        run_demo(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_two_demos_do_not_write_into_one_folder(tmp_path):
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with pytest.raises(LatentworldError, match="another one is writing to"):
            run_demo(tmp_path)
    finally:
        os.close(holder)
    assert not any(tmp_path.iterdir())
