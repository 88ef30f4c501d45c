"""Names of the ways to say which interactions are targets: what models learn from and are evaluated on."""

from typing import Final, Literal, get_args

Target = Literal["implicit", "positive"]
"""All interactions, or those that are rated as high as the dataset's `positive_from`."""

TARGETS: Final[tuple[Target, ...]] = get_args(Target)
