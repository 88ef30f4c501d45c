"""Prints one line for each step, and writes it to Prefect's log."""

from pathlib import Path

from prefect.logging import get_run_logger

from recstack import progress
from recstack.storage.lake import Build


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
