"""Options of a model: a frozen record whose names and types are checked."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from recstack.errors import UserError


class ModelConfig(BaseModel):
    """Base of every model's `Config`; by itself the options of a model that has none.

    Types are strict: the text "32" is no number, and 1.5 is no whole number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def read(cls, options: Mapping[str, Any], model: str) -> Self:
        """The defaults with some options changed.

        Args:
            options: values by name of the field, as JSON has them: a list stands for a tuple.
            model: the model's name, for the message.

        Raises:
            UserError: the model has no such option, or a value is of a wrong type; all that is wrong is named.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            raise UserError("; ".join(cls._explain(each, model) for each in error.errors())) from error

    @model_validator(mode="before")
    @classmethod
    def _lists_to_tuples(cls, values: Any) -> Any:
        """JSON has no tuples, and strict validation refuses lists for them."""
        if not isinstance(values, dict):
            return values
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

    @classmethod
    def _explain(cls, error: Any, model: str) -> str:
        name = str(error["loc"][0])
        if error["type"] == "extra_forbidden":
            known = ", ".join(cls.model_fields) or "none"
            return f"{model} has no option {name!r}; its options are: {known}"
        return f"option {name} of {model} can't be {error['input']!r}: {error['msg']}"
