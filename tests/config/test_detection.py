from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.config.detection import Detected, detect
from cmdai_shell.config.environment import Environment
from cmdai_shell.config.schema import EnvironmentDetection

LAB = Environment(id="lab", endpoints=("http://192.168.1.5:8000",), priority=1)
CORP = Environment(id="corp", place="enterprise", priority=8)
CLOUD = Environment(id="cloud", endpoints=("https://gpu.example.com",), priority=9)
ALL = {"cloud": CLOUD, "corp": CORP, "lab": LAB}


def choose(answered: dict[str, float], current: str = "", **detection: object) -> Detected:
    times = {name: {f"{name}/x": seconds} for name, seconds in answered.items()}
    return detect(ALL, EnvironmentDetection(**detection), times, current)  # type: ignore[arg-type]


def test_a_near_server_goes_before_a_far_one_of_higher_priority() -> None:
    found = choose({"lab": 0.004, "corp": 0.02, "cloud": 0.1})
    assert found.ranking == ("lab", "cloud", "corp")
    assert found.place == "local"
    assert found.reason == "lab answered in 4 ms (local), before cloud, corp"


def test_a_near_server_that_is_slow_is_not_preferred() -> None:
    assert choose({"lab": 0.2, "corp": 0.02}).name == "corp"
    assert choose({"lab": 0.2, "corp": 0.02}, max_latency_ms=300).name == "lab"
    assert choose({"lab": 0.2}).name == "lab"


def test_near_ones_need_not_be_preferred() -> None:
    assert choose({"lab": 0.004, "corp": 0.02}, prefer_local_network=False).name == "corp"


def test_the_cloud_can_be_left_out() -> None:
    assert choose({"cloud": 0.1, "corp": 0.02}).name == "cloud"
    assert choose({"cloud": 0.1, "corp": 0.02}, fallback_to_cloud=False).name == "corp"
    found = choose({"cloud": 0.1}, fallback_to_cloud=False)
    assert (found.name, found.place, found.ranking) == ("", None, ())
    assert found.reason == "only cloud answered, in the cloud, and fallback_to_cloud is off"


def test_nobody_answers() -> None:
    assert choose({}).reason == "no server answered"
    assert detect({}, EnvironmentDetection(), {}).reason == "no environment is configured"
    assert detect(ALL, EnvironmentDetection(), {"lab": {}}).name == ""
    assert choose({"gone": 0.1}).name == ""


def test_among_equals_the_current_one_stays_then_the_faster() -> None:
    two = {name: Environment(id=name, place="enterprise") for name in ("a", "b")}
    times = {"a": {"a/x": 0.03, "a/y": 0.02}, "b": {"b/x": 0.01}}
    assert detect(two, EnvironmentDetection(), times).name == "b"
    assert detect(two, EnvironmentDetection(), times, "a").name == "a"
    assert detect(two, EnvironmentDetection(), {"b": times["b"]}, "a").name == "b"


def test_the_company_s_goes_before_the_cloud_s_of_the_same_priority() -> None:
    both = {
        "cloud": Environment(id="cloud", place="cloud"),
        "corp": Environment(id="corp", place="enterprise"),
    }
    times = {"cloud": {"c": 0.001}, "corp": {"c": 0.02}}
    assert detect(both, EnvironmentDetection(), times).name == "corp"


@given(
    st.dictionaries(st.sampled_from(sorted(ALL)), st.floats(0, 10)),
    st.booleans(),
    st.booleans(),
    st.integers(1, 60_000),
)
def test_only_what_answered_and_is_allowed_is_chosen(
    answered: dict[str, float], near: bool, far: bool, most: int
) -> None:
    found = choose(answered, prefer_local_network=near, fallback_to_cloud=far, max_latency_ms=most)
    allowed = {name for name in answered if far or name != "cloud"}
    assert set(found.ranking) == allowed
    assert found.name in (allowed or {""})
