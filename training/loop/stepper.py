"""One training step, on one device or on several devices of a machine that share each batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.errors import TrainingError
from training.loop.optimizer import make_optimizer
from training.loop.precision import with_loss_scaling
from training.model.loss import Confusion, Loss
from training.presets import TrainingConfig

Arrays = list[NDArray[Any]]


def distribution_strategy(devices: int) -> tf.distribute.Strategy:
    """Mirror the weights on `devices` devices; raises TrainingError if there are fewer."""
    if devices == 1:
        return tf.distribute.get_strategy()
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    available = tf.config.list_logical_devices(kind)
    if len(available) < devices:
        raise TrainingError(
            f"--devices is {devices}, but this machine has {len(available)} {kind} devices."
        )
    return tf.distribute.MirroredStrategy([device.name for device in available[:devices]])


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The mean loss over all terms, and F1 of the positive class; None if there is none."""

    loss: float
    f1: float | None = None


class Stepper:
    """Holds model and optimizer; `train_step` changes them, `evaluate` does not.

    `state` is everything a step depends on apart from its batch and learning rate: weights, the
    state of the dropout layers' random generators, and the optimizer's moments.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        loss: Loss,
        config: TrainingConfig,
        devices: int = 1,
        confusion: Confusion | None = None,
    ) -> None:
        self._strategy = distribution_strategy(devices)
        self._devices = self._strategy.num_replicas_in_sync
        self._loss, self._confusion = loss, confusion
        with self._strategy.scope():
            self.model = build()
            self._optimizer = with_loss_scaling(make_optimizer(config, self._devices))
            self._optimizer.build(self.model.trainable_variables)
        if self._devices > 1 and isinstance(self._optimizer, keras.optimizers.LossScaleOptimizer):
            raise TrainingError(
                "Training on several GPUs needs GPUs with bfloat16, or --no-mixed-precision."
            )

    def train_step(self, ids: Any, labels: Any, seed: Any, rate: float) -> tuple[float, float]:
        """Take one step at the learning rate `rate`; return the loss as (sum, number of terms)."""
        shares = [self._distribute(value) for value in (ids, labels)]
        total, terms = self._train(*shares, seed, tf.constant(rate, tf.float32))
        return float(total), float(terms)

    def evaluate(self, data: tf.data.Dataset) -> Evaluation:
        """Evaluate the batches, without dropout, on one device."""
        sums = [self._evaluate(*batch) for batch in data]
        terms = max(sum(float(batch_terms) for _, batch_terms, _ in sums), 1.0)
        loss = sum(float(batch_loss) for batch_loss, _, _ in sums) / terms
        if self._confusion is None:
            return Evaluation(loss)
        hits, false, missed = np.sum([counts for _, _, counts in sums], axis=0)
        return Evaluation(loss, float(2 * hits / max(2 * hits + false + missed, 1.0)))

    @property
    def state(self) -> Arrays:
        return [np.asarray(variable) for variable in self._variables]

    @state.setter
    def state(self, values: Arrays) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    @property
    def weights(self) -> Arrays:
        return [np.asarray(variable) for variable in self.model.weights]

    @weights.setter
    def weights(self, values: Arrays) -> None:
        self.model.set_weights(values)

    @property
    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self._optimizer.variables]

    def _distribute(self, value: Any) -> Any:
        """Divide a batch's rows between the devices; the last ones may get fewer rows or none."""
        if self._devices == 1:
            return value
        shares = np.array_split(np.arange(len(value)), self._devices)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.gather(value, shares[context.replica_id_in_sync_group])
        )

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _train(self, ids: Any, labels: Any, seed: Any, rate: Any) -> tuple[Any, Any]:
        if self._devices == 1:
            return self._step(ids, labels, seed, rate)
        sums = self._strategy.run(self._step, (ids, labels, seed, rate))
        total, terms = (
            self._strategy.reduce(tf.distribute.ReduceOp.MEAN, s, axis=None) for s in sums
        )
        return total, terms

    def _step(self, ids: Any, labels: Any, seed: Any, rate: Any) -> tuple[Any, Any]:
        variables = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            total, terms = self._loss(self.model, ids, labels, seed, True)
            all_terms = self._summed(terms)
            objective = self._optimizer.scale_loss(total / tf.maximum(all_terms, 1.0))
        gradients = tape.gradient(objective, variables)
        if self._devices > 1:
            # Keras clips each device's gradient and then sums them. Each device therefore passes an
            # equal share of the whole batch's gradient, so that the whole gradient is clipped.
            gradients = [self._summed(tf.convert_to_tensor(g)) / self._devices for g in gradients]
        self._optimizer.learning_rate.assign(rate)
        self._optimizer.apply(gradients, self.model.trainable_variables)
        return self._summed(total), all_terms

    def _summed(self, value: Any) -> Any:
        if self._devices == 1:
            return value
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, value)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _evaluate(self, ids: Any, labels: Any, seed: Any) -> tuple[Any, Any, Any]:
        total, terms = self._loss(self.model, ids, labels, seed, False)
        counts = self._confusion(self.model, ids, labels) if self._confusion else terms
        return total, terms, counts
