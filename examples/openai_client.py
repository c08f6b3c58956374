"""Fine-tune as with OpenAI, with nothing changed but base_url: at `tunesmith serve`. The rows are chats, JSON Lines."""

import sys
import time
from pathlib import Path

from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")
file = client.files.create(file=Path(sys.argv[1]), purpose="fine-tune")
job = client.fine_tuning.jobs.create(model="nano", training_file=file.id, suffix="mine")
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(1)
    job = client.fine_tuning.jobs.retrieve(job.id)
for event in reversed(client.fine_tuning.jobs.list_events(job.id, limit=100).data):
    print(event.message)
if job.status != "succeeded":
    sys.exit(f"the job {job.status}: {job.error and job.error.message}")
question = {"role": "user", "content": "where is my parcel?"}
answer = client.chat.completions.create(model=job.fine_tuned_model, messages=[question], max_tokens=40)
print(answer.choices[0].message.content)
