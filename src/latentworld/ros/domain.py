"""A ROS domain that nobody on this machine uses."""

from __future__ import annotations

import random
import socket

from latentworld.types import LatentworldError

_PORTS, _EACH, _OFFSET = 7400, 250, 10  # RTPS 2.2, 9.6.1.1: the unicast port of a domain's first participant
_DOMAINS = range(1, 102)  # higher ones reach into the ports the kernel gives out


def unused_domain() -> int:
    """A domain id whose first port is free."""
    for domain in random.SystemRandom().sample(_DOMAINS, len(_DOMAINS)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", _PORTS + _EACH * domain + _OFFSET))
                return domain
            except OSError:
                continue
    raise LatentworldError(f"ROS domain: expected a free one in 1..{_DOMAINS[-1]}, got none")
