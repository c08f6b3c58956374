"""Learning to do without a prompt: the model comes to answer as its base does with the teacher's longer one.

The teacher is the starting weights. They are asked once, before the first step: what comes out of the last layer where
an answer's token is predicted lies in a file in the run's folder, and their head makes logits of it again, a chunk of
positions at a time. Owns the divergence, that file, and what of it a validation sees. Does not own the teacher's prompt
(`text.prompts`). Legend: N targets, D width, V vocabulary, S sequences.

Source: Askell et al. 2021, "A general language assistant as a laboratory for alignment" (context distillation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from shutil import disk_usage
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from tunesmith.core.disk import disk_size, fsync
from tunesmith.core.errors import DataError, RecipeError, SetupError
from tunesmith.core.ids import digest, digest_bytes
from tunesmith.core.progress import steps
from tunesmith.models.embedding_noise import noisy_embeddings
from tunesmith.models.forward import causal_lm, hidden_at
from tunesmith.models.head import chunk_rows, linear_map
from tunesmith.train.likelihood import EXAMPLES_AT_ONCE, by_sequence, visit
from tunesmith.train.validate import Judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tunesmith.models.load import LoadedModel
    from tunesmith.train.batches import Batch, TokenSet
    from tunesmith.train.loop import Run
    from tunesmith.train.validate import Columns

DISK_LEFT = 0.5
"""Share of the free disk that is left free."""

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Distilling:
    """The objective of a recipe with a teacher: both splits as the teacher is asked, and what it said.

    ``teacher`` is None until `with_teacher`.
    """

    train: TokenSet
    valid: TokenSet
    teacher: Teacher | None = None
    name: str = "distillation"

    def of_step(self, run: Run, rows: Sequence[int], batches: Sequence[Batch]) -> _Step:
        """Return the loss of a step that is laid out in some batches."""
        del rows
        return _Step(run, self.teacher, float(sum(batch.weights_N.sum() for batch in batches)))

    def judge(self, run: Run) -> Judge:
        """Return the judge of the validation loss: nats a target token by which the model is apart from its teacher."""

        def look(_loaded: LoadedModel) -> Columns:
            return self._columns(run)

        return Judge("valid_loss", False, look, lambda seen: float(seen["nats"].sum() / seen["targets"].sum()))

    def facts(self, columns: Columns) -> dict[str, float]:
        """Return what a validation notes beside its loss: nothing."""
        del columns
        return {}

    def _columns(self, run: Run) -> Columns:
        teacher = self.teacher
        assert teacher is not None and teacher.valid is not None, "with_teacher comes before training"
        known = teacher.valid
        nats: dict[int, float] = {}

        def see(batch: Batch) -> None:
            hidden_ND = hidden_at(run.loaded.model, batch.row, prune_last_layer=run.shortcuts.last_layer)
            ones_N = torch.ones_like(batch.weights_N)
            apart_N = _divergences(run.loaded.model, hidden_ND, known.of(batch.places), teacher.head, ones_N)
            nats.update(zip(batch.places, by_sequence(batch, torch.cat(apart_N)).tolist(), strict=True))

        visit(run, run.valid, range(run.valid.num_examples), see, run.states.valid if run.states else None)
        targets = [one.num_targets for one in run.valid.rendered]
        return {"nats": np.array([nats[at] for at in range(len(targets))]), "targets": np.array(targets)}


class _Step:
    """The loss of a step: the mean divergence of its target tokens by their weights, batch by batch."""

    def __init__(self, run: Run, teacher: Teacher | None, whole: float) -> None:
        self._run, self._teacher, self._whole = run, teacher, whole

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the batch's share of the loss, with gradient."""
        run, model = self._run, self._run.loaded.model
        given, noise = batch.share(self._whole).to(model.device), run.settings.regularise.neftune
        with noisy_embeddings(model, noise, given.row.lengths_BT() if noise else given.row.ids_BT):
            hidden_ND = hidden_at(model, given.row, prune_last_layer=run.shortcuts.last_layer)
        if self._teacher is None:  # where the memory of a pass is measured, before the teacher is asked
            teacher_ND, head = torch.zeros_like(hidden_ND, requires_grad=False), Head.of(run)
        else:
            teacher_ND = self._teacher.train.of(map(run.train.without_words, batch.places))
            head = self._teacher.head
        total = hidden_ND.new_zeros(())
        for part_n in _divergences(model, hidden_ND, teacher_ND, head, given.weights_N):
            total = total + part_n.sum()
        return total

    def facts(self) -> dict[str, float]:
        """Return what is noted of the step beside its loss: nothing."""
        return {}


def _divergences(
    model: Any, hidden_ND: torch.Tensor, teacher_ND: torch.Tensor, teacher: Head, weights_N: torch.Tensor
) -> list[torch.Tensor]:
    """Return the weighted divergence of the teacher from the model at each target (N), a chunk of targets each.

    Logits are made again in the backward pass, so that those of one chunk are alive at once.
    """
    head = causal_lm(model).get_output_embeddings()
    teacher_ND, rows = teacher_ND.to(hidden_ND.device), chunk_rows(teacher.weight_VD)

    def of_chunk(hidden_nD: torch.Tensor, teacher_nD: torch.Tensor, weights_n: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            wanted_nV = teacher.logits(teacher_nD).float().log_softmax(-1)
        found_nV = head(hidden_nD).float().log_softmax(-1)
        apart_n: torch.Tensor = (wanted_nV.exp() * (wanted_nV - found_nV)).sum(-1)
        return apart_n * weights_n

    parts = [slice(first, first + rows) for first in range(0, len(hidden_ND), rows)]
    return [
        checkpoint(
            of_chunk, hidden_ND[of], teacher_ND[of], weights_N[of], use_reentrant=False, preserve_rng_state=False
        )
        for of in parts
    ]  # fmt: skip


@dataclass(frozen=True)
class Head:
    """The head of the starting weights."""

    weight_VD: torch.Tensor
    bias_V: torch.Tensor | None

    @classmethod
    def of(cls, run: Run) -> Head:
        """Return the head as it is now: a copy of what learns, with the rows that are learnt beside it in place."""
        matrix, ids_K, rows_KD = linear_map(causal_lm(run.loaded.model).get_output_embeddings())
        learning = {id(one) for one in run.learning.weights.values()}
        weight_VD = matrix.weight.detach()
        if rows_KD is not None and ids_K is not None:
            weight_VD = weight_VD.index_copy(0, ids_K, rows_KD.detach().to(weight_VD.dtype))
        elif id(matrix.weight) in learning:
            weight_VD = weight_VD.clone()
        return cls(weight_VD, None if matrix.bias is None else matrix.bias.detach().clone())

    def logits(self, hidden_nD: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, V)."""
        return torch.nn.functional.linear(hidden_nD.to(self.weight_VD.dtype), self.weight_VD, self.bias_V)


class Known:
    """What came out of the teacher's last layer where it predicts targets: a row of width D each, in a file."""

    def __init__(self, states_RD: NDArray[np.float32], places: dict[int, NDArray[np.int64]]) -> None:
        self._states_RD, self._places = states_RD, places

    def of(self, sequences: Iterable[int]) -> torch.Tensor:
        """Return the rows of the targets of some sequences, one after the other (N, D)."""
        wanted = np.concatenate([self._places[one] for one in sequences])
        return torch.from_numpy(np.asarray(self._states_RD[wanted]))


@dataclass(frozen=True)
class Teacher:
    """What the teacher said: of training examples, and of validation examples if there are any."""

    head: Head
    train: Known
    valid: Known | None


def with_teacher(run: Run, examples: Sequence[int] | None = None) -> Run:
    """Return the run with its teacher asked, if its objective has one; ``examples`` None means all.

    Raises:
        OSError: if the disk refuses to take what it said.
    """
    objective: Any = run.objective
    if not isinstance(objective, Distilling):
        return run
    wanted = range(run.train.num_examples) if examples is None else examples
    train = _asked(run, objective.train, wanted)
    held = range(run.valid.num_examples) if examples is None else ()
    valid = _asked(run, objective.valid, held) if len(held) else None
    return replace(run, objective=replace(objective, teacher=Teacher(Head.of(run), train, valid)))


def refuse_unfit_teacher(run: Run) -> None:
    """Refuse a teacher whose answers cannot be compared with the model's, or not be kept.

    Raises:
        RecipeError: if the base does more after its last layer than its head's product.
        DataError: if its template renders an answer otherwise under the teacher's prompt.
        SetupError: if the disk is too small.
    """
    objective: Any = run.objective
    if not isinstance(objective, Distilling):
        return
    if not run.settings.shortcuts.head:
        raise RecipeError("train.shortcuts.head: false, and prompt.teacher compares heads alone", hint="leave it out")
    if not run.shortcuts.head:
        raise RecipeError(
            "prompt.teacher: this base changes the logits after its head, so the teacher's cannot be made from what is "
            "kept of it",
            hint="another base, such as one of Llama's, Qwen's or Gemma 3's family; or leave prompt.teacher out",
        )
    for own, asked in ((run.train, objective.train), (run.valid, objective.valid)):
        _refuse_other_answers(own, asked)
    targets = sum(one.num_targets for asked in (objective.train, objective.valid) for one in asked.rendered)
    place = next(one for one in (run.folder, *run.folder.parents) if one.exists())
    needed, free = targets * _width(run) * _FLOAT_BYTES, disk_usage(place).free
    if needed > DISK_LEFT * free:
        raise SetupError(
            f"prompt.teacher: what it says of {targets:,} target tokens takes {disk_size(needed)} of disk, and "
            f"{disk_size(free)} are free in {place}",
            hint="tunesmith clean, --home on a larger disk, or fewer examples: data.size.max_examples",
        )


def _refuse_other_answers(own: TokenSet, asked: TokenSet) -> None:
    for at, one in enumerate(own.rendered):
        other = asked.rendered[own.without_words(at)]
        if _targets(one.ids, one.targets) != _targets(other.ids, other.targets):
            raise DataError(
                f"the base's template renders the answer of {own.names[at]} otherwise after the teacher's prompt",
                hint="leave prompt.teacher out, or choose a base whose template leaves answers as they are",
            )


def _targets(ids: Sequence[int], targets: Sequence[int]) -> list[int]:
    return [token for token, target in zip(ids, targets, strict=True) if target]


def _width(run: Run) -> int:
    return int(causal_lm(run.loaded.model).config.get_text_config().hidden_size)


def _asked(run: Run, tokens: TokenSet, examples: Sequence[int]) -> Known:
    """Return what the starting weights say of some examples; what an earlier run left whole is read."""
    sequences = tokens.sequences_of(examples)
    ends = np.cumsum([tokens.rendered[one].num_targets for one in sequences])
    starts = np.concatenate([[0], ends[:-1]])
    places = {one: np.arange(start, end) for one, start, end in zip(sequences, starts, ends, strict=True)}
    file, shape = run.folder / f"teacher-{_digest(run, tokens, sequences)}.states", (int(ends[-1]), _width(run))
    if not file.exists():
        _ask(run, tokens, examples, places, file, shape)
    return Known(np.memmap(file, dtype=np.float32, mode="r", shape=shape), places)


def _ask(
    run: Run,
    tokens: TokenSet,
    examples: Sequence[int],
    places: dict[int, NDArray[np.int64]],
    file: Path,
    shape: tuple[int, int],
) -> None:
    part = file.with_suffix(".part")
    written = np.memmap(part, dtype=np.float32, mode="w+", shape=shape)

    def see(batch: Batch) -> None:
        hidden_ND = hidden_at(run.loaded.model, batch.row, prune_last_layer=run.shortcuts.last_layer)
        written[np.concatenate([places[one] for one in batch.places])] = hidden_ND.float().cpu().numpy()

    with steps("asking the teacher", len(examples)) as bar:
        for first in range(0, len(examples), EXAMPLES_AT_ONCE):
            some = examples[first : first + EXAMPLES_AT_ONCE]
            visit(run, tokens, some, see)
            bar.advance(len(some))
    written.flush()
    fsync(part)
    part.rename(file)


def _digest(run: Run, tokens: TokenSet, sequences: Sequence[int]) -> str:
    """Return what tells files apart: another machine may compute in another type."""
    rendered = (tokens.rendered[one] for one in sequences)
    pieces = [digest_bytes(np.array([one.ids, one.targets], dtype=np.int64).tobytes()) for one in rendered]
    return digest([run.precision, str(run.shortcuts), *pieces])
