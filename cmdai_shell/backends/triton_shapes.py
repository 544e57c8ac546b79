"""What Triton's text models take, by the inputs that their configuration names. Pure.

Three shapes, each a public model repository's: vLLM's (triton-inference-server/vllm_backend,
src/model.py), TensorRT-LLM's ensemble and BLS model (NVIDIA/TensorRT-LLM,
triton_backend/all_models/inflight_batcher_llm) and its LLM API's (.../llmapi). Only fields that the
configuration names are sent: older versions have fewer, and of the others Triton would make
parameters that nobody reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmdai_shell.core import Prompt

Shape = Literal["vllm", "tensorrtllm", "llmapi"]

_FRONT = ("tensorrt_llm_bls", "ensemble")
"""TensorRT-LLM's two ways in, of one engine. BLS can also stream whole words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextModel:
    """A model that takes text and gives text."""

    name: str
    shape: Shape
    inputs: frozenset[str]
    required: frozenset[str] = frozenset()
    is_decoupled: bool = False
    """It can answer in several pieces, and then must not be asked for one."""
    is_cumulative: bool = False
    """Each piece is the whole text so far (TensorRT-LLM's ``accumulate_tokens``)."""
    known_as: str = ""
    """What its configuration says of the weights: a folder or an id, where it does."""

    @property
    def guides(self) -> tuple[str, ...]:
        """Ways to hold an answer to a schema, the newest first, and last none: a server says of its
        version nothing that would tell which it knows."""
        if self.shape == "vllm":
            return ("structured_outputs", "guided_decoding", "")
        return ("guide", "") if "guided_decoding_guide" in self.inputs else ("",)


def text_models(configs: Iterable[Mapping[str, Any]]) -> tuple[TextModel, ...]:
    """Those of a repository that can be asked, the one to prefer first."""
    by_name = {str(config.get("name", "")): config for config in configs}
    found = [model for config in by_name.values() if (model := _model(config, by_name))]
    return tuple(sorted(found, key=lambda model: (_rank(model), model.name)))


def _rank(model: TextModel) -> int:
    return _FRONT.index(model.name) if model.name in _FRONT else len(_FRONT)


def _model(config: Mapping[str, Any], by_name: Mapping[str, Mapping[str, Any]]) -> TextModel | None:
    inputs = {str(one.get("name")): one for one in _dicts(config.get("input"))}
    outputs = {one.get("name") for one in _dicts(config.get("output"))}
    shape = _shape(inputs.keys())
    if shape is None or "text_output" not in outputs:
        return None
    parts = [config, *(by_name[name] for name in steps(config) if name in by_name)]
    return TextModel(
        name=str(config["name"]),
        shape=shape,
        inputs=frozenset(inputs),
        required=frozenset(name for name, one in inputs.items() if one.get("optional") is not True),
        is_decoupled=any(map(_is_decoupled, parts)),
        is_cumulative=_parameter(config, "accumulate_tokens").lower() in ("true", "1", "t", "yes"),
        known_as=_weights(by_name.values()) if shape == "tensorrtllm" else _weights([config]),
    )


def _shape(inputs: Iterable[str]) -> Shape | None:
    names = set(inputs)
    if "text_input" not in names:
        return None
    marks: tuple[tuple[str, Shape], ...] = (
        ("sampling_parameters", "vllm"),
        ("sampling_param_max_tokens", "llmapi"),
        ("max_tokens", "tensorrtllm"),
    )
    return next((shape for mark, shape in marks if mark in names), None)


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def steps(config: Mapping[str, Any]) -> list[str]:
    """The models that an ensemble is made of."""
    scheduling = config.get("ensemble_scheduling")
    steps = scheduling.get("step") if isinstance(scheduling, dict) else None
    return [str(step.get("model_name")) for step in _dicts(steps)]


def _is_decoupled(config: Mapping[str, Any]) -> bool:
    policy = config.get("model_transaction_policy")
    return isinstance(policy, dict) and policy.get("decoupled") is True


def _weights(configs: Iterable[Mapping[str, Any]]) -> str:
    """What the family can be guessed from: TensorRT-LLM's preprocessing names its tokenizer."""
    keys = ("tokenizer_dir", "model", "huggingface_model")
    found = (_parameter(config, key) for key in keys for config in configs)
    return next((value for value in found if value and "${" not in value), "")


def _parameter(config: Mapping[str, Any], key: str) -> str:
    parameters = config.get("parameters")
    value = parameters.get(key) if isinstance(parameters, dict) else None
    return str(value.get("string_value", "")) if isinstance(value, dict) else ""


def body(
    model: TextModel, prompt: Prompt, text: str, stop: Sequence[str], guide: str = ""
) -> dict[str, Any]:
    """What is posted to ``generate_stream``; ``text`` is the prompt in the model's own form."""
    make = {"vllm": _vllm, "tensorrtllm": _tensorrtllm, "llmapi": _llmapi}[model.shape]
    wanted = {"text_input": text, **make(model, prompt, list(stop), guide)}
    found = {name: value for name, value in wanted.items() if name in model.inputs}
    # Older TensorRT-LLM models want these two, be they empty.
    empty = {name: "" for name in ("bad_words", "stop_words") if name in model.required}
    return empty | found


def _vllm(model: TextModel, prompt: Prompt, stop: list[str], guide: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "stop": stop,
    }
    if prompt.temperature > 0:
        parameters["seed"] = prompt.seed
    if prompt.schema and guide:
        # A string within the string: the backend parses it a second time.
        parameters[guide] = json.dumps({"json": json.loads(prompt.schema)})
    return {
        "stream": model.is_decoupled,
        "exclude_input_in_output": True,
        "sampling_parameters": json.dumps(parameters),
    }


def _tensorrtllm(model: TextModel, prompt: Prompt, stop: list[str], guide: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "max_tokens": prompt.max_tokens,
        "stream": model.is_decoupled,
        "exclude_input_in_output": True,
        **_sampling(prompt),
    }
    if stop:
        wanted["stop_words"] = stop
    if prompt.schema and guide:
        wanted["guided_decoding_guide_type"] = "json_schema"
        wanted["guided_decoding_guide"] = prompt.schema
    return wanted


def _llmapi(model: TextModel, prompt: Prompt, stop: list[str], guide: str) -> dict[str, Any]:
    del guide
    wanted = {f"sampling_param_{name}": value for name, value in _sampling(prompt).items()}
    wanted["sampling_param_max_tokens"] = prompt.max_tokens
    wanted["sampling_param_exclude_input_from_output"] = True
    wanted["streaming"] = model.is_decoupled
    if stop:
        wanted["sampling_param_stop"] = stop
    return wanted


def _sampling(prompt: Prompt) -> dict[str, Any]:
    """The likeliest token is ``top_k`` 1: not every version takes a temperature of 0."""
    if prompt.temperature <= 0:
        return {"top_k": 1}
    seed = {"seed": prompt.seed, "random_seed": prompt.seed}  # newer and older name
    return {"temperature": prompt.temperature, **seed}
