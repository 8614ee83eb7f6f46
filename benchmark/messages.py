"""What a message costs in Python: encode + publish in one process, receive + decode in another, over real DDS.

CPU time of the threads that do it, the executor's share included.

python benchmark/messages.py [--json F]    (exit status 1: one of them takes 2 ms or more)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from latentworld.evaluation.figures import write_figures
from latentworld.ros import images, qos
from latentworld.ros.codecs import LATENT, STATE, Codec
from latentworld.types import Latent, WorldState

REPEATS = 200
LIMIT_MS = 2.0

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (224, 224, 3), dtype=np.uint8)
VECTOR = RNG.normal(size=16_384).astype(np.float32)  # 64 KiB
STATE_NOUN = WorldState(1, 1, "model", np.zeros(3), np.zeros(3), np.zeros(3), VECTOR)

IMAGE = Codec(
    Image, lambda pixels: images.to_image(pixels, 1, "camera"), lambda message: images.colour(message, "image")
)
CASES: dict[str, tuple[Codec, Any]] = {
    "image_224": (IMAGE, PICTURE),
    "latent_64kib": (LATENT, Latent(1, "model", VECTOR)),
    "world_state_64kib": (STATE, STATE_NOUN),
}


def send(node: Node, name: str, receiver: subprocess.Popen) -> dict[str, float]:
    """Median ms of encoding and publishing, at about 100 Hz, until the receiver has had enough."""
    codec, noun = CASES[name]
    publisher = node.create_publisher(codec.message, name, qos.belief())
    parts: dict[str, list[float]] = {"encode": [], "publish": []}
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    while publisher.get_subscription_count() and receiver.poll() is None:
        began = time.thread_time()
        message = codec.encode(noun)
        encoded = time.thread_time()
        publisher.publish(message)
        parts["encode"].append(encoded - began)
        parts["publish"].append(time.thread_time() - encoded)
        time.sleep(0.01)
    node.destroy_publisher(publisher)
    return medians(parts)


def receive(node: Node, executor: SingleThreadedExecutor, name: str) -> dict[str, float]:
    """Median ms of receiving (the executor's share with it) and decoding."""
    codec, _ = CASES[name]
    got: list[Any] = []
    subscription = node.create_subscription(codec.message, name, got.append, qos.belief())
    parts: dict[str, list[float]] = {"receive": [], "decode": []}
    while len(parts["decode"]) < REPEATS:
        began = time.thread_time()
        while not got:
            executor.spin_once()
        received = time.thread_time()
        codec.decode(got.pop())
        parts["receive"].append(received - began)
        parts["decode"].append(time.thread_time() - received)
    node.destroy_subscription(subscription)
    return medians(parts)


def medians(parts: dict[str, list[float]]) -> dict[str, float]:
    return {name: 1e3 * float(np.median(times)) for name, times in parts.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="F", help="write the figures to this file")
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)  # the other process
    arguments = parser.parse_args()
    rclpy.init(args=[])
    node = rclpy.create_node("receiver" if arguments.receive else "sender")
    if arguments.receive:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        json.dump({name: receive(node, executor, name) for name in CASES}, sys.stdout)
        return 0
    receiver = subprocess.Popen([sys.executable, __file__, "--receive"], stdout=subprocess.PIPE, text=True)
    sent = {name: send(node, name, receiver) for name in CASES}
    received = json.loads(receiver.communicate()[0])
    figures: dict[str, float] = {}
    for name in CASES:
        parts = sent[name] | received[name]
        parts["python"] = sum(parts.values())
        figures |= {f"{name}_{part}_ms": value for part, value in parts.items()}
        sys.stdout.write(f"{name:18s}" + "  ".join(f"{part} {value:.3f} ms" for part, value in parts.items()) + "\n")
    if arguments.json:
        write_figures(arguments.json, figures, {"repeats": REPEATS, "limit_ms": LIMIT_MS})
    slow = [name for name in CASES if figures[f"{name}_python_ms"] >= LIMIT_MS]
    if slow:
        sys.stderr.write(f"benchmark: expected under {LIMIT_MS} ms of Python time, got more for {', '.join(slow)}\n")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
