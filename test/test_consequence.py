"""Imagined consequences: shapes, frames, and refusals."""

import numpy as np
import pytest
import torch
from torch.distributions import Laplace

from latentworld import robot_file
from latentworld.consequence.engine import RolloutEngine
from latentworld.consequence.motion import DelayedMotion, DriveTrain
from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.model.config import ModelConfig
from latentworld.model.heads import Field
from latentworld.model.latent_map import rotate
from latentworld.model.world_model import WorldModel
from latentworld.types import LatentworldError, WorldState

ALONE = ModelConfig(opinions=1)


def untrained(config):
    """Weights that nothing was learned by, but none of them zero."""
    torch.manual_seed(0)
    model = WorldModel(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module", params=[ModelConfig(), ALONE], ids=["three opinions", "one"])
def simulator(request):
    return ConsequenceSimulator(untrained(request.param))


def state(simulator, pose=(0.0, 0.0, 0.0), **changes):
    belief = np.random.default_rng(0).standard_normal(simulator.model.config.belief_dim).astype(np.float32) * 0.1
    place = simulator.model.config.hidden_dim + simulator.model.config.vector_dim
    belief[place : place + 3] = 0.03, -0.05, pose[2]
    values = {
        "stamp": 1, "observation_stamp": 1, "model_id": simulator.model.model_id, "pose": np.array(pose),
        "velocity": np.zeros(2, np.float32), "command": np.zeros(2, np.float32), "belief": belief,
    }  # fmt: skip
    return WorldState(**(values | changes))


def candidates(k=7, h=9):
    return np.random.default_rng(1).uniform([0, -1], [0.5, 1], (k, h, 2)).astype(np.float32)


def test_shapes_and_ranges(simulator):
    c = simulator.simulate(state(simulator), candidates(), 0.2, latents=True)
    assert c.poses.shape == (7, 9, 3) and c.latents.shape == (7, 9, simulator.model.config.latent_dim)
    for name in ("contact", "drop"):
        values = getattr(c, name)
        assert values.shape == (7, 9) and ((0 <= values) & (values <= 1)).all()
    assert (c.uncertainty > 0).all() and c.clearance.dtype == np.float32
    assert simulator.simulate(state(simulator), candidates(), 0.2).latents is None


def test_poses_are_in_odom(simulator):
    """The same future from elsewhere is the same future, elsewhere."""
    here = simulator.simulate(state(simulator), candidates(), 0.2).poses
    there = simulator.simulate(state(simulator, (3.0, -2.0, np.pi / 2)), candidates(), 0.2).poses
    turned = np.stack([3.0 - here[..., 1], -2.0 + here[..., 0]], -1)
    assert np.allclose(there[..., :2], turned, atol=1e-4)


def test_free_space_lies_where_the_map_says(simulator):
    s = state(simulator, (3.0, -2.0, 0.7))
    space = simulator.free_space(s)
    cells = simulator.model.config.map_cells
    assert space.clearance.shape == (cells, cells)
    # One candidate that stands still is asked of the same place as the cell under the robot.
    middle = space.origin + space.cell * (cells - 1) / 2
    assert np.abs(middle - [3.0, -2.0]).max() <= space.cell / 2 + 1e-6


def test_bad_candidates_and_states_are_refused(simulator):
    good = state(simulator)
    for bad, message in [
        (np.zeros((3, 2), np.float32), "expected \\(K, H, 2\\)"),
        (np.zeros((3, 4, 3), np.float32), "expected \\(K, H, 2\\)"),
        (np.zeros((0, 4, 2), np.float32), "expected \\(K, H, 2\\)"),
        (np.full((3, 4, 2), np.nan, np.float32), "finite"),
    ]:
        with pytest.raises(LatentworldError, match=message):
            simulator.simulate(good, bad, 0.2)
    with pytest.raises(LatentworldError, match="dt"):
        simulator.simulate(good, candidates(), 9.0)
    with pytest.raises(LatentworldError, match="expected model .*, got deadbeef"):
        simulator.simulate(state(simulator, model_id="deadbeef"), candidates(), 0.2)
    with pytest.raises(LatentworldError, match="expected a belief"):
        simulator.simulate(state(simulator, belief=np.zeros(5, np.float32)), candidates(), 0.2)


def field_along(model, belief, points, dt):
    """Free space at points (K, H, P, 2) in the robot's frame, each step asked of the map of its own time."""
    maps = model.foresight(belief.memory)
    steps = []
    for step in range(points.shape[1]):
        share = model.foresight.shares(torch.tensor([(step + 1) * dt]))[0]
        memory = torch.einsum("m,nmchw->nchw", share, maps)
        found = model.map.look_up(memory, belief.place, points[:, step].reshape(1, -1, 2))
        steps.append(model.free_space(found[0].unflatten(0, (points.shape[0], points.shape[2]))))
    return Field(*(torch.stack(parts, 1) for parts in zip(*steps, strict=True)))


def test_the_engine_reads_risk_off_the_predicted_maps_where_the_body_is(simulator):
    """However many candidates were asked about before, at whatever length, for a round body and a longish one."""
    model, s = simulator.model, state(simulator)
    belief = model.unflatten(torch.from_numpy(s.belief).unsqueeze(0))
    velocity, command = torch.tensor([0.3, -0.2]), torch.tensor([0.4, 0.1])
    for name in ("latentworld", "jackal"):
        base = robot_file.load(name).base
        engine = RolloutEngine(model, base, DelayedMotion(DriveTrain.of(base)))
        discs = torch.tensor(base.discs, dtype=torch.float32)
        with torch.inference_mode():
            prepared = engine.prepare(belief, velocity, command)
            for k, h in ((5, 12), (300, 15), (1, 1), (5, 12)):
                actions = torch.from_numpy(candidates(k, h)) * 3  # far enough to leave the map
                ours = engine.imagine(prepared, actions, 0.2)
                turned = rotate(discs[:, :2], ours.poses[..., 2:].expand(k, h, len(discs)))
                field = field_along(model, belief, ours.poses[..., None, :2] + turned, 0.2)
                clearance, ledge = field.clearance - discs[:, 2], field.ledge - discs[:, 2]
                contact = Laplace(0.0, field.spread).cdf(-clearance)
                drop = Laplace(0.0, field.ledge_spread).cdf(-ledge - discs[:, 2] / 2)
                assert ours.poses.shape == (k, h, 3)
                for part, wanted in (
                    ("contact", contact.amax(-1)), ("drop", drop.amax(-1)), ("clearance", clearance.amin(-1)),
                    ("ledge", ledge.amin(-1)),
                ):  # fmt: skip
                    assert torch.allclose(getattr(ours, part), wanted, atol=2e-5), (name, part, k, h)


def test_what_was_answered_stays_when_more_is_asked(simulator):
    s = state(simulator)
    first = simulator.simulate(s, candidates(), 0.2)
    kept = {name: getattr(first, name).copy() for name in ("poses", "contact", "drop", "clearance", "doubt")}
    simulator.simulate(s, candidates()[:, ::-1] * 0.5, 0.2)
    assert all(np.array_equal(getattr(first, name), value) for name, value in kept.items())


def test_opinions_that_differ_are_doubt():
    torch.manual_seed(0)
    alone = ConsequenceSimulator(untrained(ALONE))
    several = ConsequenceSimulator(untrained(ModelConfig()))
    assert (alone.simulate(state(alone), candidates(), 0.2).doubt == 0).all()
    assert (several.simulate(state(several), candidates(), 0.2).doubt > 0).all()


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(LatentworldError, match="device: expected one that torch has here.*got abacus"):
        ConsequenceSimulator(untrained(ALONE), device="abacus")
