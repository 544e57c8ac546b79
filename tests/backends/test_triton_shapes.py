"""Triton's model configurations to what is posted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cmdai_shell.backends.triton_shapes import TextModel, body, text_models
from cmdai_shell.core import Prompt

PROMPT = Prompt(system="s", user="list files", max_tokens=7, stop=("\n\n",))
SCHEMA = json.dumps({"type": "object", "properties": {"command": {"type": "string"}}})


def config(name: str, required: str, optional: str = "", **more: Any) -> dict[str, Any]:
    inputs = [{"name": word, "dims": [1]} for word in required.split()]
    inputs += [{"name": word, "dims": [1], "optional": True} for word in optional.split()]
    return {"name": name, "input": inputs, "output": [{"name": "text_output"}], **more}


DECOUPLED = {"model_transaction_policy": {"decoupled": True}}
VLLM = config(
    "vllm_model",
    "text_input",
    "stream sampling_parameters exclude_input_in_output",
    backend="vllm",
    **DECOUPLED,
)
TOKENS = {"name": "tensorrt_llm", "backend": "tensorrtllm", "input": [{"name": "input_ids"}]}
PREPROCESSING = {
    "name": "preprocessing",
    "input": [{"name": "QUERY"}],
    "parameters": {"tokenizer_dir": {"string_value": "/engines/Llama-3.1-8B-Instruct"}},
}
ENSEMBLE = config(
    "ensemble",
    "text_input max_tokens",
    "bad_words stop_words top_k temperature seed stream exclude_input_in_output "
    "guided_decoding_guide_type guided_decoding_guide",
    platform="ensemble",
    ensemble_scheduling={"step": [{"model_name": "preprocessing"}, {"model_name": "tensorrt_llm"}]},
)
LLMAPI = config(
    "tensorrt_llm",
    "text_input",
    "streaming sampling_param_max_tokens sampling_param_stop sampling_param_top_k "
    "sampling_param_temperature sampling_param_seed sampling_param_exclude_input_from_output",
)


def only(*configs: dict[str, Any]) -> TextModel:
    (found,) = text_models(configs)
    return found


def test_parts_of_an_ensemble_are_no_text_models():
    model = only(PREPROCESSING, TOKENS, ENSEMBLE)
    assert (model.name, model.shape, model.is_decoupled) == ("ensemble", "tensorrtllm", False)
    assert model.known_as == "/engines/Llama-3.1-8B-Instruct"


def test_an_ensemble_streams_if_its_engine_does():
    assert only(PREPROCESSING, {**TOKENS, **DECOUPLED}, ENSEMBLE).is_decoupled


def test_of_two_ways_in_bls_comes_first():
    bls = {**ENSEMBLE, "name": "tensorrt_llm_bls"}
    assert [model.name for model in text_models([ENSEMBLE, VLLM, bls])] == [
        "tensorrt_llm_bls",
        "ensemble",
        "vllm_model",
    ]


def test_vllm():
    sent = body(only(VLLM), PROMPT, "TEXT", ("<|im_end|>", "\n\n"))
    parameters = json.loads(sent.pop("sampling_parameters"))
    assert sent == {"text_input": "TEXT", "stream": True, "exclude_input_in_output": True}
    assert parameters == {"max_tokens": 7, "temperature": 0.0, "stop": ["<|im_end|>", "\n\n"]}


@pytest.mark.parametrize("guide", ["structured_outputs", "guided_decoding"])
def test_vllms_schema_is_a_string_within_the_string(guide: Any):
    sent = body(only(VLLM), replace(PROMPT, schema=SCHEMA), "TEXT", (), guide)
    parameters = json.loads(sent["sampling_parameters"])
    assert json.loads(parameters[guide]) == {"json": json.loads(SCHEMA)}


def test_tensorrtllm():
    sent = body(only(ENSEMBLE), PROMPT, "TEXT", ("\n\n",))
    assert sent == {
        "text_input": "TEXT",
        "max_tokens": 7,
        "stream": False,
        "exclude_input_in_output": True,
        "top_k": 1,
        "stop_words": ["\n\n"],
    }
    warm = body(only(ENSEMBLE), replace(PROMPT, temperature=0.5, seed=3), "TEXT", ())
    assert (warm["temperature"], warm["seed"]) == (0.5, 3)
    assert "random_seed" not in warm


def test_tensorrtllms_schema():
    sent = body(only(ENSEMBLE), replace(PROMPT, schema=SCHEMA), "TEXT", (), "guide")
    assert sent["guided_decoding_guide_type"] == "json_schema"
    assert sent["guided_decoding_guide"] == SCHEMA


def test_an_older_model_gets_the_fields_it_insists_on_and_no_others():
    old = config("ensemble", "text_input max_tokens bad_words stop_words", "random_seed")
    assert body(only(old), PROMPT, "TEXT", ()) == {
        "text_input": "TEXT",
        "max_tokens": 7,
        "bad_words": "",
        "stop_words": "",
    }
    assert body(only(old), replace(PROMPT, temperature=1.0), "T", ("x",))["stop_words"] == ["x"]
    assert only(old).guides == ("",)


def test_llmapi():
    assert body(only({**LLMAPI, **DECOUPLED}), PROMPT, "TEXT", ("\n\n",)) == {
        "text_input": "TEXT",
        "sampling_param_top_k": 1,
        "sampling_param_max_tokens": 7,
        "sampling_param_exclude_input_from_output": True,
        "sampling_param_stop": ["\n\n"],
        "streaming": True,
    }


@pytest.mark.parametrize("odd", [{}, {"name": 3, "input": "x"}, {"name": "a", "input": [None]}])
def test_a_configuration_that_makes_no_sense_is_passed_over(odd: dict[str, Any]):
    assert text_models([odd, VLLM])[0].name == "vllm_model"
