"""Options of a model: a frozen record whose names and types are checked."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from recstack.errors import UserError, choose


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


def options_by_model(texts: Sequence[str], models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Values by model and name of the option, from texts such as `ease.regularisation=300`.

    Args:
        texts: MODEL.NAME=VALUE; a value that is no JSON is a text. The last one of a name counts.
        models: models that may have options.

    Raises:
        UserError: a text is of another form, or names another model. Names of options are not checked.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        path, sign, value = text.partition("=")
        model, dot, name = path.partition(".")
        if not (sign and dot):
            raise UserError(f"write an option of a model as MODEL.NAME=VALUE, such as ease.neighbours=100, not {text}")
        choose("model", model, dict.fromkeys(models))
        values = found.setdefault(model, {})
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return found
