import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from workspace import Shop, Workspace

from recstack.data.splits import TRAIN, VALIDATION
from recstack.errors import UserError
from recstack.features.encode import Encoder
from recstack.models.base import FitContext
from recstack.models.genre_ncf.model import GenreNCF
from recstack.training.dataset import training_data
from recstack.training.distributed import train_distributed

# Without dropout, one process and two differ only in which of them computes which rows of a batch. The odd batch size
# makes their shares unequal.
OPTIONS = {"dropout": 0.0, "history_dropout": 0.0, "id_dropout": 0.0, "batch_size": 97, "stop_after": 3}


def torchrun(shop: Workspace, *arguments: str) -> "subprocess.CompletedProcess[str]":
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = ["-m", "recstack.training.distributed", "--dataset", "shop", *arguments]
    environment = shop.settings.child_environment() | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([*launcher, *program], env=environment, capture_output=True, text=True, check=False)


def test_two_processes_end_with_the_weights_of_one(shop: Workspace, tmp_path: Path) -> None:
    data = training_data(shop.settings, shop.features, (TRAIN, VALIDATION))
    alone = GenreNCF.fit(data, FitContext(options=OPTIONS))

    out, checkpoint = tmp_path / "model", tmp_path / "fit.pt"
    done = torchrun(shop, "--out", str(out), "--options", json.dumps(OPTIONS), "--checkpoint", str(checkpoint))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("epoch 3:") == 1  # only one of the two prints
    assert list(tmp_path.iterdir()) == [out]

    together = GenreNCF.load(out, Encoder.load(out), data.items)
    weights = together.module.state_dict()
    for name, expected in alone.module.state_dict().items():
        np.testing.assert_allclose(weights[name].numpy(), expected.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)
    allowed = data.users.unseen(len(data.items))
    np.testing.assert_allclose(together.score(data.users, allowed), alone.score(data.users, allowed), atol=1e-3)


def test_the_target_decides_which_interactions_are_trained_on(
    shop: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_distributed(
        shop.settings, shop.features, "genre_ncf", tmp_path / "model", target="positive", options={"stop_after": 1}
    )
    rated = training_data(shop.settings, shop.features, (TRAIN, VALIDATION), Shop.fixed_traits.positive_from)
    assert f"genre_ncf: {len(rated.item):,} rows" in capsys.readouterr().out


def test_the_same_command_without_torchrun_is_one_process_and_never_overwrites(shop: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "model"
    train_distributed(shop.settings, shop.features, "genre_ncf", out, options={"stop_after": 1})
    before = torch.load(out / "weights.pt", weights_only=True)["item_bias.weight"]
    with pytest.raises(UserError, match=f"{out} is there already; remove it or name another folder"):
        train_distributed(shop.settings, shop.features, "genre_ncf", out, options={"stop_after": 2})
    assert torch.load(out / "weights.pt", weights_only=True)["item_bias.weight"].equal(before)
