"""TorchServe's side of recstack: opens the engine of an archive and passes batches of requests to it."""

import json
import time
from pathlib import Path
from typing import Any

from ts.metrics.metric_type_enum import MetricTypes

from recstack.torchserve.quick_start import collector_paused

with collector_paused():
    from recstack.archive.bundle import Bundle
    from recstack.archive.opening import open_engine
    from recstack.recommend import AnsweredBatch, BadRequestError
    from recstack.recommend.answer import CAUSES
    from recstack.recommend.failure_log import FailureLog
    from recstack.settings import Settings
    from recstack.torchserve.worker_log import buffer_log


class RecommendationHandler:
    """One worker. TorchServe allows exactly one class in this file."""

    def initialize(self, context: Any) -> None:
        """Check the archive, open the store, warm up; an error here keeps the version out of service."""
        buffer_log()
        with collector_paused():
            bundle = Bundle.read(Path(context.system_properties["model_dir"]))
            self.engine = open_engine(bundle, Settings(), int(time.time()))
        self.version = bundle.manifest.facts.model_version
        counter, histogram = MetricTypes.COUNTER, MetricTypes.HISTOGRAM
        add = context.metrics.add_metric_to_cache
        self.requests = add("recstack_requests_total", "count", ["policy", "version"], counter)
        self.missing = add("recstack_missing_features_total", "count", ["version"], counter)
        self.failed = add("recstack_failures_total", "count", ["cause", "version"], counter)
        self.counted: set[str] = set()  # a counter of 0 is shown too, so that an alert sees the first failure
        self.failure_log = FailureLog()
        self.feature_read = add("recstack_feature_read_ms", "ms", ["version"], histogram)
        self.scoring = add("recstack_scoring_ms", "ms", ["version"], histogram)

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[bytes]:
        """Answer a batch: a bad request gets its own 400, the others their items."""
        replies: list[dict[str, Any]] = [{} for _ in data]
        numbers, requests, policies = [], [], []
        for number, row in enumerate(data):
            try:
                requests.append(self.engine.parse(row.get("body")))
                numbers.append(number)
            except BadRequestError as error:
                context.set_response_status(400, "Bad Request", number)
                replies[number] = {
                    "code": 400,
                    "type": "BadRequest",
                    "message": str(error),
                    "field": error.field,
                    "reason": error.reason,
                }
                policies.append("bad_request")
        batch = self.engine.answer(requests, int(time.time()))
        for number, answer in zip(numbers, batch.answers, strict=True):
            replies[number] = answer.payload()
            policies.append(answer.policy)

        for policy in sorted(set(policies)):
            self.requests.add_or_update(policies.count(policy), [policy, self.version])
        if batch.missing_features:
            self.missing.add_or_update(batch.missing_features, [self.version])
        self._count_failures(batch)
        if requests:
            self.feature_read.add_or_update(round(batch.feature_read_ms, 3), [self.version])
            self.scoring.add_or_update(round(batch.scoring_ms, 3), [self.version])
        for number in range(len(data)):
            context.set_response_content_type(number, "application/json")
        return [
            json.dumps({"request_id": context.get_request_id(number), **reply}, allow_nan=False).encode()
            for number, reply in enumerate(replies)
        ]

    def _count_failures(self, batch: AnsweredBatch) -> None:
        self.failure_log.add(batch)
        for cause in CAUSES:
            failures = sum(failure.cause == cause for failure in batch.failures)
            if failures or cause not in self.counted:
                self.counted.add(cause)
                self.failed.add_or_update(failures, [cause, self.version])
