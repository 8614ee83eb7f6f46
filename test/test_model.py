"""The network: shapes, the exactness of its map, and checkpoints that are whole or refused."""

import json
import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from latentworld.model import checkpoint
from latentworld.model.config import ModelConfig
from latentworld.model.encoder import to_input
from latentworld.model.latent_map import cell_centres, compose, relative, rotate
from latentworld.model.losses import laplace, sigreg
from latentworld.model.world_model import WorldModel
from latentworld.types import LatentworldError


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return WorldModel().eval().requires_grad_(False)


@pytest.fixture
def belief(model):
    generator = torch.Generator().manual_seed(1)
    belief = model.start(2)
    for _ in range(3):
        latent = torch.randn(2, model.config.vector_dim, generator=generator)
        motion = torch.tensor([[0.04, 0.0, 0.1, 0.1, 0.4, 1.0, 0.4, 1.0]]).repeat(2, 1)
        belief = model.update(belief, latent, model.map.view(latent), motion)
    return belief


def test_encode_shapes_and_depth_units(model):
    rgb = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    metres = torch.rand(3, 64, 64) * 5 + 0.3
    millimetres = (metres * 1000).to(torch.int32).to(torch.uint16)
    assert model.encode(rgb).shape == (3, model.config.vector_dim)
    assert torch.allclose(model.encode(rgb, metres), model.encode(rgb, millimetres), atol=1e-2)


def test_appearance_changes_nothing_that_drives(model, belief):
    latent = torch.randn(2, model.config.vector_dim)
    other = latent.clone()
    other[:, model.config.latent_dim :] += 1
    motion = torch.zeros(2, 8)
    one, two = (model.update(belief, seen, model.map.view(seen), motion) for seen in (latent, other))
    assert torch.equal(one.hidden, two.hidden) and torch.equal(one.memory, two.memory)
    pose, ahead = torch.randn(2, 3, 3), torch.full((2, 3, 1), 0.5)
    assert torch.equal(model.foresee(one, pose, ahead)[0], model.foresee(two, pose, ahead)[0])
    assert torch.equal(model.place.described(latent), model.place.described(other))
    assert not torch.equal(model.views(latent, latent.flip(0)).same, model.views(other, latent.flip(0)).same)


def test_unknown_depth_is_no_depth():
    rgb = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    config = ModelConfig()
    for unknown in (0.0, math.nan, math.inf, -1.0):
        x = to_input(rgb, torch.full((1, 64, 64), unknown), config)
        assert (x[:, 3] == 0).all()
    assert torch.equal(to_input(rgb, None, config)[:, 3], torch.zeros(1, 64, 64))


def test_poses_compose_and_come_apart():
    a, b = torch.randn(50, 3), torch.randn(50, 3)
    assert torch.allclose(relative(a, compose(a, b))[:, :2], b[:, :2], atol=1e-5)
    quarter = rotate(torch.tensor([1.0, 0.0]), torch.tensor(math.pi / 2))
    assert torch.allclose(quarter, torch.tensor([0.0, 1.0]), atol=1e-6)  # REP-103: counter-clockwise


def test_map_remembers_exactly_while_the_robot_moves(model, belief):
    """What lies at a point of the world is still found there after the robot has driven about, to the last bit."""
    points = torch.rand(2, 40, 2) * 2 - 1
    before = model.map.look_up(belief.memory, belief.place, points)
    there = torch.tensor([[0.7, -0.33, 1.1], [-0.51, 0.2, -2.0]])
    moved = model.move(belief, there)
    seen_from_there = rotate(points - there[:, None, :2], -there[:, None, 2].expand(2, 40))
    after = model.map.look_up(moved.memory, moved.place, seen_from_there)
    assert torch.allclose(before, after, atol=1e-5)
    assert moved.place[:, :2].abs().max() <= model.config.cell / 2 + 1e-6
    back = model.move(moved, relative(there, torch.zeros(2, 3)))
    again = model.map.look_up(back.memory, back.place, points)
    assert torch.allclose(before, again, atol=1e-5)


class Spy(torch.nn.Module):
    """In the place of the gate: keeps what would have been fused."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        self.seen = x[:, self.channels :]
        return torch.zeros(1, 2 * self.channels, *x.shape[2:])


def test_a_view_lands_ahead_of_the_robot_whichever_way_it_faces(model):
    view = torch.zeros(1, model.config.map_channels + 1, 24, 16)
    view[0, :, 12:, :] = 1.0  # the left half of what is ahead
    for heading in (0.0, math.pi / 2, -2.0):
        place = torch.tensor([[0.0, 0.0, heading]])
        map_ = model.map
        left, right = (rotate(torch.tensor([0.8, y]), place[0, 2]) for y in (0.8, -0.8))
        fuse, map_.fuse = map_.fuse, Spy(model.config.map_channels)
        try:
            map_.update(torch.zeros(1, model.config.map_channels, 28, 28), place, view)
            seen = map_.fuse.seen[0, 0]
        finally:
            map_.fuse = fuse
        column, row = ((left / model.config.cell) + 13.5).round().int().tolist()
        assert seen[row, column] > 0.9
        column, row = ((right / model.config.cell) + 13.5).round().int().tolist()
        assert seen[row, column] < 0.1


def test_belief_flattens_and_comes_back(model, belief):
    flat = belief.flatten()
    assert flat.shape == (2, model.config.belief_dim)
    for part, again in zip(belief, model.unflatten(flat), strict=True):
        assert torch.equal(part, again)


def test_sigreg_prefers_a_standard_normal():
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(2000, 32, generator=generator)
    values = [sigreg(z, generator).item() for z in (normal, normal * 0.1, torch.zeros(2000, 32), normal.sign() * 2)]
    assert values[0] == min(values) and values[0] < 0.01 < values[1]


def test_laplace_is_least_at_an_honest_spread():
    error = torch.distributions.Laplace(0.0, 0.3).sample((20000,))
    losses = {s: laplace(error, torch.full_like(error, s), torch.zeros_like(error)).item() for s in (0.1, 0.3, 1.0)}
    assert min(losses, key=losses.get) == 0.3


def test_checkpoint_round_trip(model, tmp_path):
    path = tmp_path / "a.safetensors"
    identity = checkpoint.save(model, path, {"seed": 3})
    loaded = checkpoint.load(path)
    assert loaded.model_id == identity and len(identity) == 12 and not loaded.training
    assert checkpoint.card(path) == {"seed": 3}
    rgb = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    assert torch.equal(loaded.encode(rgb), model.encode(rgb))


def test_another_weight_is_another_model(model, tmp_path):
    other = WorldModel()
    assert checkpoint.model_id(other) != checkpoint.model_id(model)


def _damage(path, how):
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        path.write_bytes(b"PK\x03\x04" + bytes(1000))
    elif how == "flipped":
        path.write_bytes(data[:-100] + bytes([data[-100] ^ 0xFF]) + data[-99:])


@pytest.mark.parametrize("how", ["truncated", "empty", "garbage", "flipped"])
def test_damaged_checkpoint_is_refused_in_one_line(model, tmp_path, how):
    path = tmp_path / "a.safetensors"
    checkpoint.save(model, path)
    _damage(path, how)
    with pytest.raises(LatentworldError, match="checkpoint .*a.safetensors") as error:
        checkpoint.load(path)
    assert "\n" not in str(error.value)


def test_foreign_checkpoints_are_refused(model, tmp_path):
    path = tmp_path / "b.safetensors"
    with pytest.raises(LatentworldError, match="no such file"):
        checkpoint.load(path)
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(LatentworldError, match="expected format latentworld-1"):
        checkpoint.load(path)
    save_file({"x": torch.zeros(2)}, path, {"format": "latentworld-1", "config": ModelConfig().to_json()})
    with pytest.raises(LatentworldError, match="expected .* got"):
        checkpoint.load(path)
    strange = json.dumps({"wings": 2})
    save_file({"x": torch.zeros(2)}, path, {"format": "latentworld-1", "config": strange})
    with pytest.raises(LatentworldError, match="wings"):
        checkpoint.load(path)


def test_scores_everywhere_are_those_of_each_pose():
    torch.manual_seed(1)
    place, goal = WorldModel().place, torch.randn(1, 256)
    memory = torch.randn(1, 16, 28, 28)
    with torch.no_grad():
        mapped, described = place.mapped(memory), place.described(goal)
        everywhere = place.everywhere(mapped, place.kernel(described))
        centres = cell_centres(28, 0.2)
        for heading, row, column in ((0, 14, 14), (7, 3, 20), (23, 27, 0)):
            pose = torch.tensor([[[*centres[row, column], place.headings[heading]]]])
            assert torch.isclose(place(mapped, described, pose), everywhere[heading, row, column], atol=1e-4)


def test_maps_foretold_are_weighed_by_time():
    foresight = WorldModel().foresight
    shares = foresight.shares(torch.tensor([0.0, 0.4, 0.8, 2.0, 9.0]))
    assert torch.allclose(shares.sum(1), torch.ones(5))
    assert torch.allclose(shares[1, :3], torch.tensor([0.5, 0.5, 0.0])) and shares[4, -1] == 1
    memory = torch.randn(2, 16, 28, 28)
    assert torch.equal(foresight(memory)[:, 0], memory)


def test_a_checkpoint_of_before_opens_and_keeps_its_identity():
    """nav-small was made when models still held the drive train of one base: what is left of it is the same."""
    old = checkpoint.shipped("nav-small")
    with safe_open(old, "pt") as file:
        metadata, names = file.metadata(), set(file.keys())
        encoder = file.get_tensor("encoder.project.weight")
    assert any(name.startswith("drive_train.") for name in names) and "base_radius" in metadata["config"]
    model = checkpoint.load(old)
    assert model.model_id == metadata["model_id"] and torch.equal(model.encoder.project.weight, encoder)
    assert not any(name.startswith(("drive_train.", "risk.")) for name in model.state_dict())
