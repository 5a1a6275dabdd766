"""What every section of the config is: immutable, typed, without unknown keys."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from dcpose.files.reading import named_path

PathText = Annotated[str, AfterValidator(lambda value: str(named_path(value)))]
"""A file or folder; `~` is the home folder."""
# YAML has lists; the config is immutable, so it holds tuples
YAML_TUPLE = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[tuple[Positive, Positive], YAML_TUPLE]
Integers = Annotated[tuple[Positive, ...], YAML_TUPLE]
Offsets = Annotated[tuple[int, ...], YAML_TUPLE]
Neighbors = Annotated[tuple[Literal["prev", "next"], ...], YAML_TUPLE]


class Section(BaseModel):
    """A group of keys: immutable, no unknown keys, no silent type conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Choice(Section):
    """A section of which one key, its name, decides which other keys it has.

    A family is a direct subclass, with the keys that all members have; its members are subclasses
    of it. A new member is there as soon as its class is: nothing else lists it.

    Attributes:
        decided_by: the key.
        default: what it is where nobody says.
    """

    decided_by: ClassVar[str] = "name"
    default: ClassVar[str]

    @classmethod
    def members(cls) -> dict[str, type["Choice"]]:
        """Return the members of a family by name, in the order of their definition."""
        return {
            name: member
            for member in cls.__subclasses__()
            for name in get_args(member.model_fields[cls.decided_by].annotation)
        }

    @classmethod
    def name_in(cls, values: Any) -> Any:  # noqa: ANN401 - whatever stands in the YAML
        """Return the name that the values of a section have."""
        return values.get(cls.decided_by, cls.default) if isinstance(values, dict) else cls.default

    @model_validator(mode="wrap")
    @classmethod
    def _of_member(cls, values: Any, check: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        """Check the values of a family as those of the member that they name."""
        if Choice not in cls.__bases__ or not isinstance(values, dict):
            return check(values)
        members, name = cls.members(), cls.name_in(values)
        if isinstance(name, str) and name in members:
            return members[name].model_validate(values)
        *others, last = map(repr, members)
        expected = f"{', '.join(others)} or {last}" if others else last
        unknown: Any = {
            "type": "literal_error",
            "loc": (cls.decided_by,),
            "input": name,
            "ctx": {"expected": expected},
        }
        raise ValidationError.from_exception_data(cls.__name__, [unknown])
