"""The recipe: what the user wants, typed and strict, one section per topic of the craft.

Owns every setting, its default and the reason for it; reading recipes from YAML with line-numbered errors; the
JSON Schema for editors. Does not own what the stages do with a setting.

A setting whose engine is not in this version yet is marked with `Later`: the recipe knows it, so that a recipe
written today stays valid, but setting it is an error that says so; it is never ignored.
"""

from tunesmith.recipe.data import Balance as Balance
from tunesmith.recipe.data import Clean as Clean
from tunesmith.recipe.data import Columns as Columns
from tunesmith.recipe.data import Data as Data
from tunesmith.recipe.data import Dedup as Dedup
from tunesmith.recipe.data import Labels as Labels
from tunesmith.recipe.data import Originals as Originals
from tunesmith.recipe.data import Privacy as Privacy
from tunesmith.recipe.data import Relevance as Relevance
from tunesmith.recipe.data import Size as Size
from tunesmith.recipe.data import Split as Split
from tunesmith.recipe.distill import Distill as Distill
from tunesmith.recipe.jobs import Jobs as Jobs
from tunesmith.recipe.jobs import Webhooks as Webhooks
from tunesmith.recipe.judge import Judge as Judge
from tunesmith.recipe.parse import json_schema as json_schema
from tunesmith.recipe.parse import load_recipe as load_recipe
from tunesmith.recipe.parse import names_at as names_at
from tunesmith.recipe.parse import naming_lines as naming_lines
from tunesmith.recipe.parse import parse_recipe as parse_recipe
from tunesmith.recipe.parse import setting_at as setting_at
from tunesmith.recipe.prompt import Prompt as Prompt
from tunesmith.recipe.prompts import Prompts as Prompts
from tunesmith.recipe.provider import HOSTED as HOSTED
from tunesmith.recipe.provider import Provider as Provider
from tunesmith.recipe.provider import TuningPrice as TuningPrice
from tunesmith.recipe.schedule import Schedule as Schedule
from tunesmith.recipe.section import Later as Later
from tunesmith.recipe.section import Section as Section
from tunesmith.recipe.section import Task as Task
from tunesmith.recipe.section import bytes_of as bytes_of
from tunesmith.recipe.sweep import Sweep as Sweep
from tunesmith.recipe.train import EarlyStopping as EarlyStopping
from tunesmith.recipe.train import Freeze as Freeze
from tunesmith.recipe.train import Lora as Lora
from tunesmith.recipe.train import Preference as Preference
from tunesmith.recipe.train import Regularise as Regularise
from tunesmith.recipe.train import Shortcuts as Shortcuts
from tunesmith.recipe.train import Tokens as Tokens
from tunesmith.recipe.train import Train as Train
from tunesmith.recipe.use import Evaluate as Evaluate
from tunesmith.recipe.use import Gate as Gate
from tunesmith.recipe.use import Monitor as Monitor
from tunesmith.recipe.use import Serve as Serve
from tunesmith.recipe.use import Update as Update
from tunesmith.recipe.whole import Recipe as Recipe
