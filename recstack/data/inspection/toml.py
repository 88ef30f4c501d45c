"""Writes tables of TOML with a comment beside each key."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

WIDTH: Final = 118


@dataclass
class Section:
    """A table of the file: keys with their values and comments."""

    name: str
    comment: str = ""
    keys: list[tuple[str, Any, str]] = field(default_factory=list)

    def add(self, key: str, value: Any, comment: str = "") -> None:
        """Add a key."""
        self.keys.append((key, value, comment))

    def lines(self) -> list[str]:
        """The section as TOML."""
        head = [f"# {self.comment}"] * bool(self.comment) + [f"[{self.name}]"] * bool(self.name)
        written = [(f"{toml_key(key)} = {toml(value)}", comment) for key, value, comment in self.keys]
        width = max((len(text) for text, comment in written if comment and len(text) < 50), default=0)
        lines = []
        for text, comment in written:
            line = f"{text:{width}}  # {comment}" if comment else text
            lines.extend([line] if len(line) <= WIDTH else [f"# {comment}", text])
        return [*head, *lines]


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml_key(key)} = {toml(each)}' for key, each in value.items())}}}"
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False)


def toml_key(key: str) -> str:
    """A key as TOML, in quotes if it has to be."""
    return (
        key
        if key.isascii() and key.replace("_", "").replace("-", "").isalnum()
        else json.dumps(key, ensure_ascii=False)
    )
