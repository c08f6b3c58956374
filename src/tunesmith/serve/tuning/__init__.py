"""OpenAI's fine-tuning service, spoken by our own server: jobs that clients send, and the models that come of them.

- `request` is what a job may ask for, `bases` on which model, `recipe` what that means here, `folder` where it lies,
  `service` what happens from the request to a job that is kept;
- `jobs`, `events`, `tuned`, `permissions` are what the store knows; `routes`, `permission_routes`, `graders` are HTTP;
- a `worker` process trains, `progress` is what it tells, `supervisor` starts and ends it, `taking_in` turns what it
  told into events and models, `results` into a file; `webhooks` tell others of the end.

Nothing here imports `flow`: the worker's command does.
Source: https://platform.openai.com/docs/api-reference/fine-tuning.
"""

LOCK = "worker.lock"
"""In a job's folder: held by its worker. Here, where importing it takes no time."""
