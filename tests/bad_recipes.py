"""Recipes that must be refused, and what the one message must contain."""

GOOD = "name: tickets\ntask: classify\ndata:\n  train: tickets.csv\n"
PAIRS = "name: pairs\ntask: preference\ndata:\n  train: pairs.jsonl\ntrain:\n"

BAD_RECIPES = {
    # name: (text, what the one message must contain)
    "empty": ("", ["empty"]),
    "a list": ("- a\n- b\n", ["a list", "name, task"]),
    "a sentence": ("just words\n", ["a str"]),
    "broken yaml": ("name: [tickets\ntask: classify\n", ["recipe.yaml:", "not valid YAML"]),
    "tab indent": ("name: a\ndata:\n\ttrain: x.csv\n", ["recipe.yaml:3", "YAML"]),
    "duplicate key": (GOOD + "name: again\n", ["recipe.yaml:5", "'name' is given twice", "line 1"]),
    "duplicate nested key": (GOOD + "  train: b.csv\n", ["data.train", "twice"]),
    "unknown key": (GOOD + "epochs: 3\n", ["recipe.yaml:5", "'epochs'"]),
    "misspelt key": (GOOD + "train:\n  epoch: 3\n", ["recipe.yaml:6", "train.epoch", "'epochs'"]),
    "misspelt section": (GOOD + "evalute: {}\n", ["recipe.yaml:5", "'evaluate'"]),
    "missing name": ("task: classify\ndata: {train: x.csv}\n", ["'name' is missing"]),
    "missing data": ("name: a\ntask: classify\n", ["'data' is missing"]),
    "missing train files": ("name: a\ntask: classify\ndata: {}\n", ["data.train", "missing"]),
    "no train files": ("name: a\ntask: classify\ndata:\n  train: []\n", ["recipe.yaml:4", "data.train"]),
    "name with spaces": ("name: My Model\ntask: classify\ndata: {train: x}\n", ["recipe.yaml:1", "'My Model'"]),
    "unknown task": ("name: a\ntask: classification\ndata: {train: x}\n", ["recipe.yaml:2", "classify"]),
    "epochs a word": (GOOD + "train:\n  epochs: many\n", ["recipe.yaml:6", "train.epochs", "'many'"]),
    "1e9 epochs": (GOOD + "train:\n  epochs: 1.0e9\n", ["recipe.yaml:6", "train.epochs", "1000"]),
    "negative epochs": (GOOD + "train: {epochs: -1}\n", ["train.epochs", "-1"]),
    "epochs not a number": (GOOD + "train: {epochs: .nan}\n", ["train.epochs"]),
    "epochs a flag": (GOOD + "train: {epochs: true}\n", ["train.epochs", "true and false"]),
    "infinite clip": (GOOD + "train: {regularise: {clip: .inf}}\n", ["train.regularise.clip", "finite"]),
    "gate at not a number": (GOOD + "evaluate: {gate: {minimum: {accuracy: .nan}}}\n", ["gate.minimum.accuracy"]),
    "a grader of an unknown type": (
        GOOD + "evaluate:\n  graders:\n    - {name: a, type: strng_check}\n",
        ["recipe.yaml:7", "evaluate.graders.0: unknown type 'strng_check'", "did you mean 'string_check'?"],
    ),
    "a grader without a type": (GOOD + "evaluate: {graders: [{name: a}]}\n", ["graders.0: 'type' is missing"]),
    "a rule misspelt": (
        GOOD + "evaluate:\n  gate:\n    metrics:\n      ece: {ovr: [base]}\n",
        ["recipe.yaml:8", "evaluate.gate.metrics.ece.ovr", "'over'"],
    ),
    "a rule that asks for nothing": (
        GOOD + "evaluate: {gate: {metrics: {ece: {}}}}\n",
        ["evaluate.gate.metrics.ece", "asks for nothing", "over: [base]"],
    ),
    "a rule by without over": (
        GOOD + "evaluate: {gate: {metrics: {ece: {by: 0.1, not_worse_by: 0.1}}}}\n",
        ["ece", "over whom"],
    ),
    "a rule without a margin": (
        GOOD + "evaluate: {gate: {metrics: {ece: {over: base, not_worse_than: [base]}}}}\n",
        ["ece", "not_worse_by"],
    ),
    "a margin of nothing": (
        GOOD + "evaluate: {gate: {metrics: {ece: {not_worse_by: 0}}}}\n",
        ["ece.not_worse_by", "greater than 0"],
    ),
    "a rival that is none": (
        GOOD + "evaluate: {gate: {metrics: {ece: {over: [bse]}}}}\n",
        ["ece.over.0", "'base'"],
    ),
    "a star without quotes": ("name: a\ntask: classify\ndata:\n  train: *.jsonl\n", [":4", 'quotes: "*.jsonl"']),
    "labels that YAML takes for flags": (
        GOOD + "  labels: {names: [yes, no]}\n",
        ["recipe.yaml:5", "data.labels.names.0", "put labels such as 'yes' in quotes"],
    ),
    "balance by what is nothing": (
        GOOD + "  balance:\n    by: lenght\n",
        ["recipe.yaml:6", "data.balance.by", "'lenght'", "did you mean 'length'", "data.columns.group"],
    ),
    "balance by a column": (
        GOOD + "  balance: {by: customer}\n",
        ["recipe.yaml:5", "'customer'", "data.columns.group"],
    ),
    "balance by no column": (GOOD + "  balance: {by: group}\n", ["recipe.yaml:5", "data.columns.group"]),
    "balance by labels of a chat": (
        "name: a\ntask: chat\ndata:\n  train: x\n  balance: {by: target}\n",
        ["recipe.yaml:5", "data.balance.by", "chat"],
    ),
    "no labels": (GOOD + "  labels: {names: []}\n", ["data.labels.names", "at least two"]),
    "a label twice": (GOOD + "  labels: {names: [a, b, a]}\n", ["data.labels.names", "'a' is named twice"]),
    "an empty label": (GOOD + "  labels: {names: [a, b, '']}\n", ["data.labels.names", "'' is empty"]),
    "dropout of one": (GOOD + "train:\n  regularise:\n    dropout: 1\n", ["recipe.yaml:7", "train.regularise.dropout"]),
    "zero batch": (GOOD + "train: {batch_tokens: 0}\n", ["train.batch_tokens"]),
    "split leaves nothing": (GOOD + "  split: {valid: 0.6, test: 0.5}\n", ["data.split", "leaves nothing"]),
    "template without input": (GOOD + "prompt:\n  template: classify this\n", ["prompt", "{input}"]),
    "fewer shots than none": (GOOD + "prompt: {shots: -1}\n", ["recipe.yaml:5", "prompt.shots", "-1"]),
    "a variant without words": (GOOD + "prompt:\n  variants: [{}]\n", [":6", "prompt.variants.0", "give it system or"]),
    "a variant misspelt": (GOOD + "prompt:\n  variants: [{sytem: x}]\n", [":6", "prompt.variants.0.sytem", "'system'"]),
    "a variant without input": (
        GOOD + "prompt:\n  variants: [{template: x}]\n",
        [":6", "variants.0.template", "{input}"],
    ),
    "the same words twice": (
        GOOD + "prompt: {template: '{input}?', variants: [{system: x}, {template: '{input}?'}]}\n",
        ["recipe.yaml:5", "variants.1 has the words of prompt itself", "leave it out"],
    ),
    "a teacher that knows no more": (
        GOOD + "prompt: {system: x, shots: 2, teacher: {system: x, shots: 2}}\n",
        ["recipe.yaml:5", "teacher has the prompt of the model itself", "system, template or shots"],
    ),
    "prompts that weigh under a teacher": (
        GOOD + "prompt:\n  teacher: {system: x}\n  prompt_loss_weight: 0.5\n",
        ["recipe.yaml:7", "prompt.prompt_loss_weight", "a teacher says what answers are"],
    ),
    "smoothing of a teacher": (
        GOOD + "prompt: {teacher: {system: x}}\ntrain: {regularise: {label_smoothing: 0.1}}\n",
        ["recipe.yaml:6", "label_smoothing", "prompt.teacher says what is learnt"],
    ),
    "variants of pairs": (
        "name: a\ntask: preference\ndata: {train: x}\nprompt: {variants: [{system: x}]}\n",
        ["recipe.yaml:4", "prompt.variants", "under one prompt"],
    ),
    "a teacher of pairs": (
        "name: a\ntask: preference\ndata: {train: x}\nprompt: {teacher: {system: x}}\n",
        ["recipe.yaml:4", "prompt.teacher", "which answer is better"],
    ),
    "section a string": (GOOD + "train: lora\n", ["recipe.yaml:5", "train"]),
    "learning rate zero": (GOOD + "train: {schedule: {peak: 0}}\n", ["train.schedule.peak"]),
    "a setting of another schedule": (
        GOOD + "train:\n  schedule: {shape: cosine, cycles: 3}\n",
        ["recipe.yaml:6", "train.schedule", "cycles means nothing to shape cosine", "floor, warmup"],
    ),
    "warm-up longer than the run": (GOOD + "train: {schedule: {warmup: 1.5}}\n", ["train.schedule.warmup", "1.5"]),
    "warm-up in bytes": (
        GOOD + "train: {schedule: {warmup: 20 MB}}\n",
        ["train.schedule.warmup", "20 MB", "20000 tokens"],
    ),
    "cyclic from zero": (GOOD + "train: {schedule: {shape: cyclic, floor: 0}}\n", ["train.schedule", "floor 0"]),
    "two means of the weights": (
        GOOD + "train: {regularise: {ema: 0.99, average: 0.5}}\n",
        ["train.regularise", "ema and average"],
    ),
    "two draws of no dropout": (GOOD + "train: {regularise: {dropout: 0, r_drop: 1}}\n", ["r_drop", "dropout is 0"]),
    "a pull on what does not move": (
        GOOD + "train: {method: lora, regularise: {l2sp: 0.1}}\n",
        ["l2sp", "method: lora", "weight_decay"],
    ),
    "a method that is full with freeze": (GOOD + "train: {method: layers}\n", ["recipe.yaml:5", "'layers'", "freeze"]),
    "frozen layers without a colon": (GOOD + "train: {freeze: {layers: '9'}}\n", ["train.freeze.layers", "'0:9'"]),
    "freezes nothing": (GOOD + "train: {freeze: {}}\n", ["train.freeze", "freezes nothing"]),
    "a pace of nothing": (
        GOOD + "train: {freeze: {layers: '0:2', pace: 0.1}}\n",
        ["train.freeze", "pace means nothing without unfreeze: gradual"],
    ),
    "pace zero": (GOOD + "train: {freeze: {unfreeze: gradual, pace: 0}}\n", ["train.freeze", "pace 0"]),
    "pace in words": (GOOD + "train: {freeze: {unfreeze: gradual, pace: slow}}\n", ["train.freeze.pace", "'slow'"]),
    "weights of what is no pattern": (
        GOOD.replace("classify", "chat") + "prompt:\n  answer_weights:\n    '(a': 2\n",
        ["prompt.answer_weights", "'(a' is no regular expression"],
    ),
    "weights of nothing": (
        GOOD.replace("classify", "chat") + "prompt:\n  answer_weights:\n    'a*': 2\n",
        ["prompt.answer_weights", "matches where nothing is"],
    ),
    "weights of parts of labels": (
        GOOD + "prompt:\n  answer_weights:\n    'a': 2\n",
        ["prompt.answer_weights", "classify are labels"],
    ),
    "rows of embeddings that do not learn": (
        GOOD + "train: {method: lora, freeze: {rows: ':9'}}\n",
        ["train", "freeze.rows", "method: lora", "method: full"],
    ),
    "unfreezes what is not frozen": (
        GOOD + "train: {freeze: {unfreeze: {0.5: '0:2'}}}\n",
        ["train.freeze", "layers freezes none"],
    ),
    "unfreezes after the end": (
        GOOD + "train: {freeze: {layers: '0:2', unfreeze: {1.5: '0:2'}}}\n",
        ["train.freeze.unfreeze"],
    ),
    "layers of tokens alone": (
        GOOD + "train: {method: tokens, tokens: {add: {'<a>': b}}, freeze: {layers: '0:2'}}\n",
        ["train", "freeze means nothing to method: tokens"],
    ),
    "layer decay of zero": (GOOD + "train: {schedule: {layer_decay: 0}}\n", ["train.schedule.layer_decay", "0"]),
    "a rate of zero": (GOOD + "train: {schedule: {rates: {norm: 0}}}\n", ["train.schedule.rates.norm", "0"]),
    "preferences where there are none": (
        GOOD + "train:\n  objective: dpo\n",
        [":6", "train.objective", "task: preference"],
    ),
    "a margin without simpo": (
        PAIRS + "  preference: {margin: 2}\n",
        [":6", "margin means nothing to variant sigmoid"],
    ),
    "smoothing of a hinge": (
        PAIRS + "  preference: {variant: hinge, label_smoothing: 0.1}\n",
        [":6", "label_smoothing means nothing to variant hinge"],
    ),
    "robust to nothing": (PAIRS + "  preference: {variant: robust}\n", [":6", "label_smoothing above 0"]),
    "half of the preferences wrong": (PAIRS + "  preference: {label_smoothing: 0.5}\n", ["label_smoothing", "0.5"]),
    "a variant of kto": (
        PAIRS + "  objective: kto\n  preference: {variant: ipo}\n",
        [":7", "preference.variant", "kto"],
    ),
    "a weight of kto for dpo": (PAIRS + "  preference: {desirable_weight: 2}\n", ["desirable_weight", "dpo"]),
    "beta of plain training": (PAIRS + "  objective: sft\n  preference: {beta: 1}\n", [":7", "preference.beta", "sft"]),
    "two draws of a pair": (PAIRS + "  regularise: {r_drop: 1}\n", [":6", "r_drop", "dpo"]),
    "smoothing of tokens for dpo": (PAIRS + "  regularise: {label_smoothing: 0.1}\n", ["regularise.label_smoothing"]),
    "semantic dedup too low": (GOOD + "  dedup: {semantic: 0.2}\n", ["data.dedup.semantic", "0.2"]),
    "relevance to nothing": (GOOD + "  relevance: {to: []}\n", ["data.relevance.to"]),
    "relevance that keeps nothing": (GOOD + "  relevance: {to: valid, keep: 0}\n", ["data.relevance.keep", "0"]),
    "near dedup too low": (GOOD + "  dedup: {near: 0.2}\n", ["data.dedup.near", "0.2"]),
    "a token known by spaces": (GOOD + "train: {tokens: {add: {' a': b}}}\n", ["train.tokens.add", "' a'", "spaces"]),
    "a token that means nothing": (GOOD + "train: {tokens: {add: {a: ''}}}\n", ["description of 'a' is empty"]),
    "no tokens to add": (GOOD + "train: {tokens: {add: {}}}\n", ["train.tokens.add", "token to the words"]),
    "tokens alone without tokens": (GOOD + "train: {method: tokens}\n", ["train", "no tokens are added"]),
    "a token twice": (GOOD + "train: {tokens: {add: {a: b, a: c}}}\n", ["train.tokens.add.a", "twice"]),
    "a judge with its key": (
        GOOD + "evaluate:\n  judge: {model: x, key: sk-1}\n",
        [":6", "evaluate.judge.key", "key_env"],
    ),
    "a judge with its key in the address": (
        GOOD + "evaluate: {judge: {model: x, base_url: 'http://me:sk-1@host/v1'}}\n",
        ["evaluate.judge", "key_env"],
    ),
    "a range that falls": (
        GOOD + "evaluate: {graders: [{type: score_model, name: a, model: x, input: [], range: [1, 0]}]}\n",
        ["evaluate.graders.0", "does not rise"],
    ),
    "a passing label that is none": (
        GOOD
        + "evaluate: {graders: [{type: label_model, name: a, model: x, input: [], labels: [b], passing_labels: [c]}]}\n",
        ["evaluate.graders.0", "'c', which is not in labels"],
    ),
    "a scale that falls": (
        GOOD + "evaluate: {judge: {model: x, rubric: {text: good, scale: [5, 1]}}}\n",
        ["evaluate.judge.rubric", "does not rise"],
    ),
    "samples of a greedy judge": (
        GOOD + "evaluate: {judge: {api: local, model: nano, samples: 3}}\n",
        ["evaluate.judge", "greedy"],
    ),
    "a temperature of Claude": (
        GOOD + "evaluate: {judge: {api: anthropic, model: x, temperature: 0}}\n",
        ["evaluate.judge", "takes no temperature"],
    ),
    "a candidate without its input": (
        GOOD + "prompt:\n  candidates:\n    - fine\n    - {template: 'Answer!'}\n",
        ["recipe.yaml:8", "prompt.candidates.1.template", "{input}"],
    ),
    "a candidate without words": (GOOD + "prompt: {candidates: [{}]}\n", ["prompt.candidates.0", "without words"]),
    "candidates of preference": (
        PAIRS + "  epochs: 1\nprompt: {candidates: [a]}\n",
        ["prompt.candidates", "no answers to give"],
    ),
    "a writer with its key": (GOOD + "prompts: {writer: {model: x, key: sk-1}}\n", ["prompts.writer.key", "key_env"]),
    "a writer on this machine elsewhere": (
        GOOD + "prompts: {writer: {api: local, model: nano, base_url: 'http://x/v1'}}\n",
        ["prompts.writer", "base_url means nothing to api: local"],
    ),
    "shots twice": (GOOD + "prompts: {shots: [0, 4, 4]}\n", ["prompts.shots", "twice"]),
    "too few rows to compare": (GOOD + "prompts: {rows: 10}\n", ["prompts.rows", "20"]),
    "half a human label": (
        GOOD + "evaluate: {judge: {model: x, human: {preferred: label}}}\n",
        ["evaluate.judge.human", "pair and preferred"],
    ),
    "a human label of nothing asked": (
        GOOD + "evaluate: {judge: {model: x, human: {pair: [a, b], preferred: label}}}\n",
        ["evaluate.judge", "human.pair is for pairwise"],
    ),
    "canaries of labels": (GOOD + "  canaries: {}\n", ["data.canaries", "an answer of classify is a label"]),
    "no secrets": (GOOD.replace("classify", "chat") + "  canaries: {secrets: 0}\n", ["data.canaries.secrets", "0"]),
    "a suite that is none": (GOOD + "evaluate: {suites: [retension]}\n", ["evaluate.suites", "retension", "retention"]),
    "too few rows for a suite": (GOOD + "evaluate: {suite_rows: 3}\n", ["evaluate.suite_rows", "3"]),
    "a gate of suites that is a number": (GOOD + "evaluate: {gate: {suites: 3}}\n", ["evaluate.gate.suites"]),
    "merged unknown key": (
        "x: &x {epochz: 3}\nname: a\ntask: classify\ndata: {train: x.csv}\ntrain:\n  <<: *x\n",
        ["recipe.yaml", "'x'"],
    ),
    "merged at the top": (
        "name: a\ntask: classify\ndata: {train: x.csv}\n<<: {epochs: 3}\n",
        ["recipe.yaml", "epochs"],
    ),
    "no input columns": (GOOD + "  columns: {input: [], target: intent}\n", ["data.columns.input"]),
    "a surrogate": (GOOD + 'prompt: {system: "\\ud800"}\n', ["recipe.yaml:5", "prompt.system", "U+D800"]),
    "a NUL": (GOOD + 'prompt: {system: "a\\0b"}\n', ["recipe.yaml:5", "prompt.system", "U+0000"]),
    "null task": ("name: a\ntask:\ndata: {train: x}\n", ["recipe.yaml:2", "task"]),
    "seed too large": (GOOD + "seed: 99999999999\n", ["recipe.yaml:5", "seed"]),
    "yaml object": ("name: !!python/object:os.system {}\ntask: classify\n", ["recipe.yaml:1", "YAML"]),
    "deep nesting": ("[" * 3000, ["recipe.yaml"]),
}
