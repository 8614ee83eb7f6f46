"""Rooms of many kinds: they can be driven in, repeat by their seed, and may be covered with photographs."""

import numpy as np
import pytest

from latentworld import robot_file
from latentworld.sim.episode import generate_episode
from latentworld.sim.textures import surface
from latentworld.sim.wide_rooms import CORRIDOR_WIDTH, generate_wide_room
from latentworld.sim.world import World
from latentworld.training.driving.photographs import photographs
from latentworld.types import LatentworldError

SEEDS = range(1_000_700, 1_000_740)


def test_there_are_rooms_of_every_kind():
    rooms = [generate_wide_room(seed) for seed in SEEDS]
    assert [room.obstacles for room in rooms] == [generate_wide_room(seed).obstacles for seed in SEEDS]
    narrow = [min(room.size) <= CORRIDOR_WIDTH[1] and max(room.size) > 6 for room in rooms]
    large = [min(room.size) > 6 for room in rooms]
    walled = [any(o.shape.kind == "wall" for o in room.obstacles) for room in rooms]
    crowded = [len(room.obstacles) > 15 for room in rooms]
    assert all(3 <= sum(kind) <= 25 for kind in (narrow, large, walled, crowded))


def test_they_can_be_driven_in():
    base = robot_file.load().base
    for seed in SEEDS[:12]:
        episode = generate_episode(seed, base, rooms=generate_wide_room)
        assert episode.room.footprints().distance(episode.start[None, :2])[0] > base.reach
        assert len(episode.path) >= 2


def test_inner_walls_reach_as_high_as_the_outer_ones():
    seed = next(s for s in SEEDS if any(o.shape.kind == "wall" for o in generate_wide_room(s).obstacles))
    world = World(seed, rooms=generate_wide_room)
    wall = next(o for o in world.room.obstacles if o.shape.kind == "wall")
    (part,) = wall.shape.parts
    assert part.size[2] + part.position[2] == pytest.approx(2.3)
    away = 1.0 * np.array([np.cos(wall.yaw), np.sin(wall.yaw)])
    place = world.from_room(np.array([wall.x, wall.y]) - away)
    frame = world.view(np.append(place, world.from_room(np.array([0, 0, wall.yaw]))[2]))
    ahead = np.median(frame.depth[: frame.depth.shape[0] // 2, frame.depth.shape[1] // 2])
    assert 0.5 < ahead < 1.1
    world.close()


def test_photographs_change_colours_and_leave_the_room_as_it_is():
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 255, (90, 120, 3), np.uint8)]
    plain, covered = World(SEEDS[0]), World(SEEDS[0], photographs=pictures)
    # But for doors and pictures on the walls, a few centimetres thick, which are drawn anew.
    assert np.abs(plain.frame().depth - covered.frame().depth).max() < 0.05
    assert (plain.frame().rgb != covered.frame().rgb).mean() > 0.3
    plain.close()
    covered.close()
    drawn = [surface(np.random.default_rng(i), 32, 0.5, pictures) for i in range(20)]
    assert {d.shape for d in drawn} == {(32, 32, 3)} and {d.dtype for d in drawn} == {np.dtype(np.uint8)}


def test_photographs_come_from_packages_or_are_asked_for():
    try:
        found = photographs()
    except LatentworldError as error:
        assert "tools/photographs.txt" in str(error)
    else:
        assert len(found) > 50 and all(p.ndim == 3 and p.dtype == np.uint8 and min(p.shape[:2]) >= 64 for p in found)
