"""ROS parameters from dataclasses: what does not fit is one line that names it."""

from dataclasses import dataclass

import pytest
import rclpy
from rclpy.parameter import Parameter
from ros_graph import Graph

from latentworld.parameters import parameter
from latentworld.ros.parameters import declare
from latentworld.types import LatentworldError


@dataclass(frozen=True, slots=True)
class Inner:
    samples: int = parameter(64, "sequences", 1, 1000)


@dataclass(frozen=True, slots=True)
class Outer:
    deadline: float = parameter(0.06, "s", 0.001, 5.0)
    name: str = parameter("", "of something")
    sizes: tuple = parameter((1.0, 2.0), "m")
    on: bool = parameter(True, "or off")
    inner: Inner = Inner()


@pytest.fixture
def graph():
    with Graph() as graph:
        yield graph


def node_with(graph, **overrides):
    parameters = [Parameter(name.replace("__", "."), value=value) for name, value in overrides.items()]
    return graph.add(rclpy.create_node("thing", context=graph.context, parameter_overrides=parameters))


def test_defaults_are_declared_with_descriptions_and_ranges(graph):
    node = node_with(graph)
    assert declare(node, Outer()) == Outer()
    descriptor = node.describe_parameter("inner.samples")
    assert descriptor.description == "sequences"
    assert (descriptor.integer_range[0].from_value, descriptor.integer_range[0].to_value) == (1, 1000)


def test_overrides_count_and_integers_may_stand_for_numbers(graph):
    node = node_with(graph, deadline=1, inner__samples=7, sizes=[3, 4], on=False)
    assert declare(node, Outer()) == Outer(deadline=1.0, inner=Inner(7), sizes=(3.0, 4.0), on=False)


def test_values_set_before_configuring_again_count(graph):
    node = node_with(graph)
    declare(node, Outer())
    node.set_parameters([Parameter("inner.samples", value=9)])
    assert declare(node, Outer()).inner.samples == 9


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (dict(inner__sampels=3), "parameter 'inner.sampels' of thing: unknown; expected 'inner.samples', got 3"),
        (
            dict(zzz=1.5),
            "parameter 'zzz' of thing: unknown; expected one of deadline, name, sizes, on, inner.samples, got 1.5",
        ),
        (dict(deadline="fast"), "parameter 'deadline' of thing: expected a number, got 'fast'"),
        (dict(deadline=9.0), "parameter 'deadline' of thing: expected a number in [0.001, 5.0], got 9.0"),
        (dict(deadline=float("nan")), "parameter 'deadline' of thing: expected a number in [0.001, 5.0], got nan"),
        (dict(inner__samples=2.5), "parameter 'inner.samples' of thing: expected an integer, got 2.5"),
        (dict(inner__samples=0), "parameter 'inner.samples' of thing: expected a number in [1, 1000], got 0"),
        (dict(on=1), "parameter 'on' of thing: expected true or false, got 1"),
        (dict(name=3), "parameter 'name' of thing: expected a string, got 3"),
        (dict(sizes="all"), "parameter 'sizes' of thing: expected a list of float, got 'all'"),
        (dict(sizes=["a"]), "parameter 'sizes' of thing: expected a list of float, got ['a']"),
    ],
)
def test_what_does_not_fit(graph, overrides, said):
    with pytest.raises(LatentworldError) as error:
        declare(node_with(graph, **overrides), Outer())
    assert str(error.value) == said
