"""How a model in memory answers: a classification by the probability of every label, anything else by generation.

Words become tokens as in training: the model's own `TaskSpec` and chat template, checked on loading against the
prompts it remembers (`text.parity`). Does not own queues and threads (`engine`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.serve.engine import Answer, Piece
from tunesmith.serve.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.models.load import LoadedModel
    from tunesmith.serve.catalog import Served
    from tunesmith.serve.engine import Event, Question
    from tunesmith.text.task import TaskSpec


@dataclass
class Ready:
    """A model in memory with all that its task needs."""

    loaded: LoadedModel
    task: TaskSpec
    label_ids: list[list[int]]
    precision: str

    @classmethod
    def load(cls, served: Served, device: str) -> Ready:
        """Load a Model from its artifact, to answer in the precision that it was made in; ``device`` may be ``auto``.

        Raises:
            ArtifactError: if it is damaged, or renders prompts otherwise than in training.
        """
        from tunesmith.models.load import load_model
        from tunesmith.text.chat import answer_ids, ensure_template
        from tunesmith.text.parity import check_samples
        from tunesmith.text.task import TaskSpec

        loaded = load_model(str(served.folder), device=device)
        ensure_template(loaded.tokenizer)
        check_samples(served.folder, loaded.tokenizer)
        task = TaskSpec.load(served.folder)
        asked = task.prompt([{"role": "user", "content": "?"}])
        labels = [answer_ids(loaded.tokenizer, asked, label) for label in task.labels]
        return cls(loaded, task, labels, served.precision)

    @property
    def labels(self) -> tuple[str, ...]:
        """The answers of a classification; empty for other tasks."""
        return self.task.labels

    def prompt(self, question: Question) -> list[int]:
        """Return the tokens of a question.

        Raises:
            ApiError: 400 if they leave no room for an answer, or the model's template refuses the conversation.
        """
        from jinja2 import TemplateError

        from tunesmith.text.chat import prompt_ids

        try:
            ids = prompt_ids(self.loaded.tokenizer, self.task.prompt(question.messages))
        except TemplateError as error:
            raise bad_request(f"The model cannot read these messages: {error}.", "messages", "invalid_value") from error
        room = max(map(len, self.label_ids), default=1)
        if len(ids) + room > self.loaded.context_tokens:
            raise bad_request(
                f"This model reads {self.loaded.context_tokens} tokens at most; the messages are {len(ids)} tokens and "
                f"the answer needs {room}.",
                "messages",
                "context_length_exceeded",
            )
        return ids

    def classify(self, prompts: list[list[int]]) -> list[Answer]:
        """Return the most probable label of each prompt; see `models.score.label_scores`."""
        import numpy as np

        from tunesmith.models.score import label_scores

        answers = []
        scores = label_scores(self.loaded, prompts, self.label_ids, precision=self.precision)
        for ids, row in zip(prompts, scores, strict=True):
            order = np.argsort(-row, kind="stable").tolist()
            best = tuple((self.labels[index], float(np.exp(row[index]))) for index in order)
            made_in = self.loaded.arithmetic(self.precision)
            answers.append(Answer(best[0][0], ids, self.label_ids[order[0]], "stop", made_in, best))
        return answers

    def generate(self, ids: list[int], question: Question, deliver: Callable[[Event], None]) -> Answer | None:
        """Answer token by token, delivering text as soon as it is certain; None if the asker gave up."""
        from tunesmith.models.generate import Decoding, stream
        from tunesmith.serve.text_stream import TextStream

        limit = min(question.max_tokens, self.loaded.context_tokens - len(ids))
        decoding = Decoding(limit, question.temperature, question.top_p, seed=question.seed, precision=self.precision)
        text = TextStream(self.loaded.tokenizer, question.stops)
        pieces: list[str] = []
        tokens: list[int] = []

        def tell(piece: str) -> None:
            if piece:
                pieces.append(piece)
                deliver(Piece(piece))

        for token in stream(self.loaded, ids, decoding):
            tokens.append(token)
            tell(text.push(token))
            if question.cancelled.is_set():
                return None
            if text.ended:
                break
        tell(text.finish())
        reason = "length" if len(tokens) == limit and not text.ended else "stop"
        return Answer("".join(pieces), ids, tokens, reason, self.loaded.arithmetic(self.precision))
