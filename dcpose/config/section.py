"""What every section of the config is: immutable, typed, without unknown keys."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from dcpose.files.reading import named_path

PathText = Annotated[str, AfterValidator(lambda value: str(named_path(value)))]
"""A file or folder; `~` is the home folder."""
# YAML has lists; the config is immutable, so it holds tuples
YAML_TUPLE = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[tuple[Positive, Positive], YAML_TUPLE]
Integers = Annotated[tuple[Positive, ...], YAML_TUPLE]
Neighbors = Annotated[tuple[Literal["prev", "next"], ...], YAML_TUPLE]


class Section(BaseModel):
    """A group of keys: immutable, no unknown keys, no silent type conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
