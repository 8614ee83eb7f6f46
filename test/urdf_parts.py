"""Small URDFs for tests, part by part."""

BOX = '<geometry><box size="0.4 0.3 0.2"/></geometry>'
WHEEL = '<geometry><cylinder radius="0.05" length="0.02"/></geometry>'


def link(name, shape="", part="collision", xyz="0 0 0"):
    inside = f'<{part}><origin xyz="{xyz}"/>{shape}</{part}>' if shape else ""
    return f'<link name="{name}">{inside}</link>'


def joint(name, kind, parent, child, xyz="0 0 0", rpy="0 0 0", axis="0 1 0", limit=""):
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{xyz}" rpy="{rpy}"/><axis xyz="{axis}"/>{limit}</joint>'
    )


def wheel(name, x, y, parent="base_link", **more):
    return link(f"{name}_wheel", WHEEL) + joint(
        f"{name}_wheel_joint", "continuous", parent, f"{name}_wheel", f"{x} {y} 0.05", "-1.5707963 0 0", "0 0 1", **more
    )


def urdf(*parts, body=None):
    body = link("base_link", BOX, xyz="0 0 0.15") if body is None else body
    return f'<robot name="probe">{body}{"".join(parts)}</robot>'


REAR = wheel("left", 0, 0.15) + wheel("right", 0, -0.15)
