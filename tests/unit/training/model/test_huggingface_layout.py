import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.paths import FIXTURES
from training.model.huggingface_layout import (
    BERT,
    FAMILIES,
    TOKEN_TYPES,
    CheckpointTensor,
    checkpoint_tensors,
)
from training.presets import ModelConfig

SHAPE = ModelConfig(vocabulary=40, max_tokens=32, layers=2, heads=4, width=16, intermediate=24)


@pytest.mark.parametrize("name", FAMILIES)
def test_layout_describes_every_tensor_that_transformers_writes(name: str) -> None:
    family = FAMILIES[name]
    stored = {
        key.removeprefix(f"{name}."): values.shape
        for key, values in load_file(FIXTURES / f"{name}-tiny" / "model.safetensors").items()
    }
    backbone = {key: shape for key, shape in stored.items() if not key.startswith(family.ignored)}
    if family is BERT:
        assert backbone.pop(TOKEN_TYPES)[1] == SHAPE.width
    tensors = checkpoint_tensors(family, SHAPE).values()
    assert {tensor.name: tensor.shape for tensor in tensors} == backbone


def test_both_families_hold_the_same_variables() -> None:
    bert, distilbert = (set(checkpoint_tensors(family, SHAPE)) for family in FAMILIES.values())
    assert bert == distilbert
    assert "block_1/attention/query/kernel" in bert
    assert not any(variable.startswith("block_2/") for variable in bert)


def test_only_kernels_are_transposed() -> None:
    tensors = checkpoint_tensors(BERT, SHAPE)
    transposed = {variable for variable, tensor in tensors.items() if tensor.transposed}
    assert transposed == {variable for variable in tensors if variable.endswith("/kernel")}
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    kernel = CheckpointTensor("any", (2, 3), transposed=True)
    np.testing.assert_array_equal(kernel.convert(values), values.T)
    np.testing.assert_array_equal(CheckpointTensor("any", (2, 3)).convert(values), values)
