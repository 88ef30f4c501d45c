"""The folder that this checkout lies in: tests read its scripts and pages; the package itself does not know it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
