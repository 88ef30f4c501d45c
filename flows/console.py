"""What a person sees of a step: one line on the console and in Prefect's log."""

from pathlib import Path

from prefect.logging import get_run_logger

from recstack.storage.lake import Build


def say(step: str, what: str, seconds: float, where: Path | str) -> None:
    """One line a step: its name, what it made, how long it took, where it is."""
    show(f"{step:<15} {what:<72} {seconds:>6.1f} s   {short(where)}")


def show(text: str) -> None:
    """Print plainly, and log for Prefect's page."""
    print(text, flush=True)
    get_run_logger().info(text)


def say_build(step: str, what: str, build: Build) -> None:
    """The same for a published output, which may have been there already."""
    if build.fresh:
        say(step, what, build.manifest["seconds"], build.path)
    else:
        say(step, f"unchanged: {what}", 0.0, build.path)


def short(where: Path | str) -> str:
    """A path relative to the working folder where that is shorter."""
    if isinstance(where, Path) and where.is_relative_to(Path.cwd()):
        return str(where.relative_to(Path.cwd()))
    return str(where)
