from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_policy_is_float16_only_on_gpus_without_bfloat16(
    tf_modules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    precision_policy = tf_modules.precision.precision_policy
    assert precision_policy(mixed=False) == "float32"
    assert precision_policy(mixed=True) == "mixed_bfloat16"
    config = tf_modules.tf.config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: ["a GPU"])
    for capability, expected in (((7, 5), "mixed_float16"), ((9, 0), "mixed_bfloat16")):
        details = {"compute_capability": capability}
        monkeypatch.setattr(
            config.experimental, "get_device_details", lambda gpu, details=details: details
        )
        assert precision_policy(mixed=True) == expected
