"""`make demo`: the pipeline on embedded defaults, then three questions to the model that it rolled out."""

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from flows.pipeline import pipeline
from recstack.data.adapters.base import datasets
from recstack.local.demo import show_answers
from recstack.release.served_model import most_active_user, served_model, training_features
from recstack.settings import Settings
from recstack.torchserve.embedded import embedded, start


def run_demo(dataset: str, data: Path | None, options: dict[str, Any]) -> None:
    """Run everything and say where to look.

    Args:
        dataset: name of an adapter.
        data: folder of the user's own copy; needed where a dataset can't be downloaded.
        options: fields of the adapter.
    """
    settings = Settings(dataset=dataset)
    if dataset in datasets():
        print(f"{dataset}: {datasets()[dataset].licence}")
    begun = time.monotonic()
    server = embedded(settings)
    start(server)
    pipeline(dataset, data, options)
    print()
    show_answers(settings)
    read = f"import json; print(json.load(open({json.dumps(str(settings.token_file))}))['inference']['key'])"
    question = json.dumps({"user_id": most_active_user(training_features(served_model(settings))), "k": 5})
    print(
        f"\nDone in {time.monotonic() - begun:.0f} s. TorchServe is running; its tokens are in {settings.token_file}."
    )
    print("Ask it yourself:")
    print(f"  TOKEN=$(python3 -c {shlex.quote(read)})")
    print(f'  curl -s {settings.torchserve_inference}/predictions/recstack -H "Authorization: Bearer $TOKEN" \\')
    print(f"    -H 'Content-Type: application/json' -d {shlex.quote(question)}")
    print(f"`{sys.argv[0]} ui` shows the runs:")
    print(f"  Prefect  {settings.prefect_page}")
    print(f"  MLflow   {settings.mlflow_page}")
    print(f"`{sys.argv[0]} stop` ends everything.")
