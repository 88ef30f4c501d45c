"""TorchServe in a container: `run` is its main process, `check` its health check, `token` prints its token."""

import signal
import sys
import time
from types import FrameType

from recstack.errors import UserError
from recstack.release.rollout import MODEL_NAME, last_rolled_out, serve_again
from recstack.settings import Settings
from recstack.torchserve.api import TorchServeError
from recstack.torchserve.server import server_of, start_server, stop_server
from recstack.torchserve.tokens import TokenRenewal


def run() -> None:
    """Start TorchServe with the model of the last rollout, and stay until it ends or a signal asks to stop."""
    settings = Settings()
    server = server_of(settings)

    def end(number: int, frame: FrameType | None) -> None:
        stop_server(server)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    start_server(server)
    archive = last_rolled_out(server.model_store)
    if archive is not None:
        serve_again(server.api, archive, settings)
    print(f"TorchServe answers at {server.inference_url}; model: {archive.name if archive else 'none yet'}", flush=True)
    renewal = TokenRenewal(server.api)
    while server.background.process is not None:
        time.sleep(1)
        renew(renewal)
    sys.exit("TorchServe ended by itself")


def renew(renewal: TokenRenewal) -> None:
    """Renew tokens that expire soon; if TorchServe is too busy to answer, the next call tries again."""
    try:
        for kind in renewal.renew_due():
            print(f"the {kind} token was renewed", flush=True)
    except TorchServeError as error:
        print(f"the tokens could not be renewed: {error}", flush=True)


def check() -> None:
    """Exit with 0 if the server answers and, once a model was served, the model does.

    Raises:
        TorchServeError: it does not.
    """
    server = server_of(Settings())
    if not server.api.healthy():
        raise TorchServeError(f"no healthy TorchServe at {server.inference_url}")
    if last_rolled_out(server.model_store) is not None:
        server.api.predict(MODEL_NAME, {"liked": [], "k": 1}, timeout=5)


def token() -> None:
    """Print the current inference token."""
    print(server_of(Settings()).api.token("inference"))


if __name__ == "__main__":
    try:
        {"run": run, "check": check, "token": token}[sys.argv[1]]()
    except UserError as error:
        sys.exit(str(error))
