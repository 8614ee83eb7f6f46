"""The cameras that follow from what was heard of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from latentworld.description.heard import Info, Picture
from latentworld.description.place import Notes, Place, mount_of
from latentworld.geometry import OPTICAL
from latentworld.robot import Camera, Depth, Intrinsics, Mount

COLOUR = ("rgb8", "bgr8", "rgba8", "bgra8")
GREY = ("mono8",)
DEPTH = ("16UC1", "32FC1")
FIELD_OF_VIEW = math.radians(60.0)  # of a camera that says nothing about itself
DEPTH_RANGE = (0.3, 6.0)  # m, of a depth camera: no message says it
FARTHEST = 20.0  # m, beyond which measured depth is not believed
HEIGHT = 0.25  # m above the floor of a camera that is in no transform
LATENCY = 0.1  # s, where clocks do not agree
SAME = 0.01  # share by which intrinsics of one picture may differ
FISHEYE = ("equidistant", "fisheye", "kannala_brandt4")
PINHOLE = ("plumb_bob", "radtan", "rational_polynomial", "thin_prism")
BY_COUNT = {4: "plumb_bob", 5: "plumb_bob", 8: "rational_polynomial", 12: "thin_prism"}  # OpenCV's coefficients


def camera_mount(place: Place, frame: str, name: str, notes: Notes) -> Mount:
    """Of the camera whose pictures carry this frame: by REP-103 an optical one, z forward."""
    matrix = place.matrix(frame)
    if matrix is None:
        notes.assumed.append(
            f"camera {name}: mount {HEIGHT} m above the floor, level: nothing connects {place.base} with '{frame}'"
        )
        return Mount(z=HEIGHT)
    if matrix[2, 2] > math.cos(math.radians(45)) and "optical" not in frame:
        notes.assumed.append(f"camera {name}: '{frame}' has x forward: as an optical frame it would look at the sky")
        return mount_of(matrix)
    matrix[:3, :3] = matrix[:3, :3] @ OPTICAL.T
    return mount_of(matrix)


def intrinsics_of(picture: Picture, info: Info | None, name: str, notes: Notes) -> Intrinsics:
    """Of the pictures as they come: with the region of interest, binning and other scaling of CameraInfo's."""
    rectified = "rect" in picture.topic.rsplit("/", 1)[-1]
    if info is None or min(info.k[0], info.k[4], info.width, info.height) <= 0:
        why = "there is no camera_info" if info is None else "camera_info says that it is not calibrated"
        notes.assumed.append(f"camera {name}: {math.degrees(FIELD_OF_VIEW):.0f} degrees across: {why}")
        return Intrinsics.from_field_of_view(picture.width, picture.height, FIELD_OF_VIEW)
    p = info.p if rectified and info.p[0] > 0 else None
    fx, cx, fy, cy = (p[0], p[2], p[5], p[6]) if p else (info.k[0], info.k[2], info.k[4], info.k[5])
    model, distortion = ("plumb_bob", ()) if rectified else _distortion(info, name, notes)
    x, y, width, height = info.roi if info.roi[2] and info.roi[3] else (0, 0, info.width, info.height)
    across, down = (max(b, 1) for b in info.binning)
    whole = Intrinsics(width, height, fx, fy, cx - x, cy - y, model, distortion)
    binned = width // across, height // down
    if (picture.width, picture.height) not in (binned, (width, height)):
        same = abs(picture.width * height - picture.height * width) < SAME * picture.width * height
        how = "scaled" if same else "stretched: expected the same shape"
        notes.assumed.append(
            f"camera {name}: camera_info's {binned[0]} x {binned[1]} {how}, pictures are "
            f"{picture.width} x {picture.height}"
        )
    return _resized(whole, picture.width, picture.height)


def _resized(whole: Intrinsics, width: int, height: int) -> Intrinsics:
    across, down = width / whole.width, height / whole.height
    return replace(
        whole, width=width, height=height,
        fx=round(whole.fx * across, 3), fy=round(whole.fy * down, 3),
        cx=round((whole.cx + 0.5) * across - 0.5, 3), cy=round((whole.cy + 0.5) * down - 0.5, 3),
    )  # fmt: skip


def _distortion(info: Info, name: str, notes: Notes) -> tuple[str, tuple[float, ...]]:
    d = info.d
    while len(d) > 12 and d[-1] == 0:  # OpenCV's 14 with an untilted sensor
        d = d[:-1]
    fisheye = info.model.lower() in FISHEYE
    if not any(d):
        return ("equidistant" if fisheye else "plumb_bob"), ()
    if fisheye and len(d) == 4:
        model = "equidistant"
    elif info.model.lower() in PINHOLE and len(d) in BY_COUNT:
        model = BY_COUNT[len(d)]
    else:
        notes.missing.append(
            f"camera {name}: expected distortion of plumb_bob, rational_polynomial, thin_prism or equidistant, got "
            f"'{info.model}' with {len(info.d)} coefficients: taken as undistorted"
        )
        return "plumb_bob", ()
    return model, tuple(round(float(v), 6) for v in d)


def depth_of(picture: Picture, info: Info | None, colour: Picture, camera: Camera, place: Place, notes: Notes) -> Depth:
    """Of the depth picture that goes with a colour camera: with its pixels, or with a lens and mount of its own."""
    holes = round(float(np.mean([share for share, _, _ in picture.measured] or [0.0])), 3)
    least = min([DEPTH_RANGE[0], *(near for _, near, _ in picture.measured)])
    most = max([DEPTH_RANGE[1], *(min(far, FARTHEST) for _, _, far in picture.measured)])
    least, most = round(max(least, 0.0), 2), round(most, 1)
    notes.assumed.append(f"camera {camera.name}: depth from {least} to {most} m")
    same = (picture.frame, picture.width, picture.height) == (colour.frame, colour.width, colour.height)
    if info is None and same:
        return Depth(least, most, holes=holes)
    own = intrinsics_of(picture, info, f"{camera.name}.depth", notes)
    lens = camera.intrinsics
    if same and np.allclose((own.fx, own.fy), (lens.fx, lens.fy), rtol=SAME):
        return Depth(least, most, holes=holes)
    mount = camera.mount if picture.frame == colour.frame else camera_mount(place, picture.frame, camera.name, notes)
    return Depth(least, most, holes=holes, intrinsics=own, mount=mount)


# -- which pictures belong together


def info_for(topic: str, infos: dict[str, Info]) -> Info | None:
    """The camera_info beside the topic, as image_transport has it."""
    folder = topic.rsplit("/", 1)[0]
    return infos.get(f"{folder}/camera_info", infos.get(f"{topic}/camera_info"))


def cameras(pictures: list[Picture], infos: dict[str, Info], place: Place, notes: Notes) -> tuple[Camera, ...]:
    """Colour cameras, each optical frame once, with the depth that belongs to them; the one that looks ahead first."""
    plain = [p for p in pictures if p.encoding in COLOUR] or [p for p in pictures if p.encoding in GREY]
    depths = [p for p in pictures if p.encoding in DEPTH]
    scores = sorted(
        ((_together(c, d, len(plain) == len(depths) == 1), c.topic, d.topic) for c in plain for d in depths),
        reverse=True,
    )
    depth_for: dict[str, tuple[float, str]] = {}
    for score, topic, depth in scores:
        if score and topic not in depth_for and depth not in (taken for _, taken in depth_for.values()):
            depth_for[topic] = (score, depth)
    by_topic, pairs = {p.topic: p for p in depths}, []
    for picture in sorted(plain, key=lambda p: ("rect" in p.topic, p.width * p.height)):
        score, depth = depth_for.get(picture.topic, (0, ""))
        pairs.append((picture, by_topic.get(depth), score))
    chosen: dict[str, tuple[Picture, Picture | None, float]] = {}
    for pair in pairs:
        key = pair[0].frame or pair[0].topic
        if key not in chosen or pair[2] > chosen[key][2]:
            chosen[key] = pair
    out: list[Camera] = []
    for picture, depth, _ in chosen.values():
        name = _name(picture.topic, {camera.name for camera in out})
        out.append(_camera(name, picture, depth, infos, place, notes))
    used = {p.topic for pair in chosen.values() for p in pair[:2] if p is not None}
    for picture in pictures:
        if picture.topic not in used:
            notes.missing.append(f"{picture.topic}: left out: {_why_not(picture, chosen)}")
    return tuple(sorted(out, key=lambda c: (c.mount.rotation[0, 0] < 0.1, c.depth is None)))


def _name(topic: str, taken: set[str]) -> str:
    """The folder of a topic, and its last part too where that is taken."""
    folder, _, leaf = topic.strip("/").rpartition("/")
    name = folder.replace("/", "_") or leaf
    return f"{name}_{leaf}" if name in taken else name


def _camera(
    name: str, picture: Picture, depth: Picture | None, infos: dict[str, Info], place: Place, notes: Notes
) -> Camera:
    info = info_for(picture.topic, infos)
    lens = intrinsics_of(picture, info, name, notes)
    mount = camera_mount(place, picture.frame, name, notes)
    rate, latency = picture.timing.rate, picture.timing.latency
    if rate is None:
        notes.assumed.append(f"camera {name}: rate 10 Hz: fewer than three pictures came on {picture.topic}")
    if latency is None:
        notes.assumed.append(f"camera {name}: latency {LATENCY} s: stamps and arrivals are of different clocks")
    camera = Camera(lens, mount, None, name, rate or 10.0, LATENCY if latency is None else latency)
    what = "colour" if picture.encoding in COLOUR else "grey"
    wide, down = round(math.degrees(lens.field_of_view[0])), round(math.degrees(mount.pitch))
    notes.found.append(
        f"camera {name}: {what} {lens.width} x {lens.height}, {wide} degrees across, {camera.rate:g} Hz, "
        f"{camera.latency:g} s late, {mount.z:.2f} m above the floor, looking {down} degrees down "
        f"({picture.topic})"
    )
    if depth is None:
        return camera
    own = info_for(depth.topic, infos)
    camera = replace(camera, depth=depth_of(depth, own, picture, camera, place, notes))
    how = "registered" if camera.depth.registered else "with a lens and a mount of its own"
    notes.found.append(f"camera {name}: depth, {how}, {camera.depth.holes:.0%} without value ({depth.topic})")
    return camera


def _together(colour: Picture, depth: Picture, only: bool) -> float:
    """How much says that they are of one camera; 0: nothing. only: there are no others."""
    same = colour.frame == depth.frame and bool(colour.frame)
    size = (colour.width, colour.height) == (depth.width, depth.height)
    shared = 0
    for one, other in zip(*(p.topic.strip("/").split("/")[:-1] for p in (colour, depth)), strict=False):
        if one != other:
            break
        shared += 1
    return 100 * (same and size) + 10 * same + shared + only


def _why_not(picture: Picture, chosen: dict[str, tuple[Picture, Picture | None, float]]) -> str:
    if picture.encoding in DEPTH:
        return "depth for which no colour camera was found, or another was taken"
    if picture.encoding in (*COLOUR, *GREY):
        other = chosen.get(picture.frame or picture.topic)
        return f"{other[0].topic} is of the same camera" if other else "grey, and there are colour cameras"
    return f"expected encoding {', '.join((*COLOUR, *GREY, *DEPTH))}, got '{picture.encoding}'"
