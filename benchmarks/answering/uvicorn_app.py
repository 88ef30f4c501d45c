"""The same engine without TorchServe, as small as it can be: `uvicorn answering.uvicorn_app:app --workers 3`."""

import gc
import json
import os
import time
import uuid
from pathlib import Path

import torch
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recstack.archive.bundle import Bundle
from recstack.archive.opening import open_engine
from recstack.recommend import BadRequestError
from recstack.settings import Settings

torch.set_num_threads(1)
engine = open_engine(Bundle.read(Path(os.environ["BUNDLE"])), Settings(), int(time.time()))


async def recommend(request: Request) -> Response:
    try:
        parsed = engine.parse(await request.body())
    except BadRequestError as error:
        return Response(json.dumps({"field": error.field, "reason": error.reason}), 400)
    answer = engine.answer([parsed], int(time.time())).answers[0]
    reply = {"request_id": str(uuid.uuid4()), **answer.payload()}
    return Response(json.dumps(reply, allow_nan=False), media_type="application/json")


app = Starlette(routes=[Route("/predictions/recstack", recommend, methods=["POST"])])
gc.freeze()  # as our worker does: the collector has less to go through
