"""Prints one line for each step, and writes it to Prefect's log; an error of the user is one line there."""

import logging
from pathlib import Path
from typing import Final

from prefect.logging import get_run_logger

from recstack import progress
from recstack.errors import UserError
from recstack.storage.lake import Build


class _OneLine(logging.Filter):
    """Shows the message of a `UserError` once, instead of a trace for each task and flow that it passes through."""

    def __init__(self) -> None:
        super().__init__()
        self.is_shown = True
        self._shown: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, UserError):
            text = record.getMessage()
            return not any(message in text for message in self._shown)
        message = str(error) or repr(error)  # an empty one would be found in every later line, and hide it
        if message in self._shown:
            return False
        self._shown.append(message)
        record.msg, record.args, record.exc_info, record.exc_text = message, (), None, None
        return self.is_shown


_one_line: Final = _OneLine()
for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_one_line)


def leave_errors_to_the_caller() -> None:
    """Show no `UserError` in Prefect's log: who called the flow shows it, and Prefect's page has it as the state."""
    _one_line.is_shown = False


def say(step: str, what: str, seconds: float, where: Path | str) -> None:
    """Print a step's name, what it made, how long it took and where it is."""
    show(f"{step:<15} {what:<72} {seconds:>6.1f} s   {short(where)}")


def show(text: str) -> None:
    """Print a text, and log it for Prefect's page."""
    progress.say(text)
    get_run_logger().info(text)


def say_build(step: str, what: str, build: Build) -> None:
    """Print the line of a step that publishes an output; says so if the output was there already."""
    if build.fresh:
        say(step, what, build.manifest["seconds"], build.path)
    else:
        say(step, f"unchanged: {what}", 0.0, build.path)


def short(where: Path | str) -> str:
    """A path, relative to the working folder if it is inside."""
    if isinstance(where, Path) and where.is_relative_to(Path.cwd()):
        return str(where.relative_to(Path.cwd()))
    return str(where)
