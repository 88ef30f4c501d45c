"""The handler of a first-time user: the stock read, the whole network over the whole catalogue, Python's own loops."""

import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from feast import FeatureStore
from torch.nn import functional as F

from recstack import columns as c
from recstack.archive.bundle import Bundle
from recstack.feature_store.config import online_config
from recstack.feature_store.generations import newest_generation, view_name
from recstack.features import spec
from recstack.settings import Settings


class NaiveHandler:
    """Same model, same features, same answers as recstack's own handler, but for reasons, which this one can't give."""

    def initialize(self, context: Any) -> None:
        """Load the model and open the store."""
        bundle = Bundle.read(Path(context.system_properties["model_dir"]))
        self.encoder = bundle.encoder
        self.module = bundle.model(self.encoder.items(bundle.items)).module
        self.titles = dict(zip(*bundle.catalogue.select([c.ITEM_ID, c.TITLE]).to_pydict().values(), strict=True))
        self.store = FeatureStore(config=online_config(Settings()))
        view = view_name("user", newest_generation(self.store).name)
        self.features = [f"{view}:{name}" for name in spec.names("user")]

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[str]:
        """One request after the other."""
        answers = []
        for row in data:
            body = row["body"]
            body = body if isinstance(body, dict) else json.loads(body)
            items = self.recommend(body["user_id"], body.get("k", 10))
            answers.append(json.dumps({"request_id": context.get_request_id(len(answers)), "items": items}))
        return answers

    @torch.inference_mode()
    def recommend(self, user_id: int, k: int) -> list[dict[str, Any]]:
        """The k best items that the user has not seen."""
        rows = self.store.get_online_features(self.features, entity_rows=[{c.USER_ID: user_id}]).to_dict()
        table = pa.table({field.name: pa.array(rows[field.name], field.type) for field in spec.schema("user")})
        user = self.encoder.users(table, [int(time.time())])
        module, config = self.module, self.module.config
        vector, profile = module.encode(user), torch.from_numpy(user.genres)
        vectors, offset = module.catalogue()
        retrieval = (vector @ vectors.T + offset)[0]
        prior = config.genre_prior * torch.exp(torch.tensor(-len(user.seen) / 5))
        scores = retrieval + prior * (F.normalize(profile, dim=1) @ module.genres.T)[0]

        seen = set(user.seen.tolist())
        allowed = [item for item in range(len(scores)) if item not in seen]
        best = sorted(allowed, key=lambda item: -float(scores[item]))[: config.candidates]
        level = retrieval[best].mean().reshape(1, 1)
        everything = torch.arange(len(scores))[None]
        correction = module.rerank(
            vector,
            profile,
            everything,
            module.ranker_item(vectors)[None],
            module.popularity[None],
            retrieval[None],
            level,
        )
        final = scores + correction[0]
        ranked = sorted(best, key=lambda item: -float(final[item]))[:k]
        ids = [int(self.encoder.item_ids[item]) for item in ranked]
        return [
            {"item_id": item_id, "title": self.titles[item_id], "score": float(final[item])}
            for item_id, item in zip(ids, ranked, strict=True)
        ]
