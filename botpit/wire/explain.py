"""The reason why a request is refused, in words that name the field; pydantic is imported for the first one.

msgspec reads a valid request faster than anything else, but stops at the first wrong byte. pydantic knows the
whole request and names what it expected. It reads twins of the same structs, so that the vocabulary is
written once.
"""

from __future__ import annotations

from dataclasses import MISSING, make_dataclass
from dataclasses import field as dataclass_field
from functools import cache, cached_property, reduce
from operator import or_
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Refusal(ValueError):
    """`where` is the path to the field, empty for the request as a whole. `no_json`: it is not even JSON."""

    def __init__(
        self, why: str, where: tuple[object, ...] = (), *, no_json: bool = False
    ) -> None:
        super().__init__(why)
        self.why, self.where, self.no_json = why, where, no_json


class Explainer:
    """Explains one kind of requests, the tagged structs of `union`."""

    def __init__(self, union: Any) -> None:
        self._structs: dict[str, type[msgspec.Struct]] = {
            each.type: each for each in get_args(union)
        }

    def read(self, data: bytes) -> msgspec.Struct:
        """The request, if pydantic finds it valid. Raises Refusal."""
        from pydantic import ValidationError

        try:
            found = self._adapter.validate_json(data)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=False, include_input=False)
            raise _refusal(errors[0]) from error
        fields = vars(found)
        return self._structs[fields.pop("type")](**fields)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        from pydantic import Field, TypeAdapter

        twins: Any = reduce(or_, map(twin, self._structs.values()))
        return TypeAdapter(Annotated[twins, Field(discriminator="type")])


def _refusal(error: Any) -> Refusal:
    match error["type"]:
        case "json_invalid":
            return Refusal(error["msg"], no_json=True)
        case "union_tag_invalid" | "union_tag_not_found":
            return Refusal("type: missing or unknown")
        case "dict_type" | "dataclass_type":
            return Refusal("a request is a JSON object")
        case "unexpected_keyword_argument":
            return Refusal("unknown key", error["loc"][1:])
    return Refusal(error["msg"], error["loc"][1:])


@cache
def twin(struct: type[msgspec.Struct]) -> type[Any]:
    """A dataclass for which pydantic accepts what msgspec accepts for the struct."""
    hints = get_type_hints(struct, include_extras=True)
    columns = [
        (each.encode_name, in_pydantic(hints[each.name]), _default(each))
        for each in msgspec.structs.fields(struct)
    ]
    config = struct.__struct_config__
    if config.tag is not None:
        columns.append(("type", Literal[config.tag], dataclass_field(default=config.tag)))
    extra = "forbid" if config.forbid_unknown_fields else "ignore"
    pydantic_config = {"strict": True, "extra": extra, "allow_inf_nan": False}
    namespace = {"__pydantic_config__": pydantic_config, "__doc__": struct.__doc__}
    return make_dataclass(struct.__name__, columns, kw_only=True, namespace=namespace)


def _default(column: msgspec.structs.FieldInfo) -> Any:
    if column.default_factory is not msgspec.NODEFAULT:
        return dataclass_field(default_factory=column.default_factory)
    if column.default is msgspec.NODEFAULT:
        return dataclass_field(default=MISSING)
    return dataclass_field(default=column.default)


def in_pydantic(hint: Any) -> Any:
    """An annotation for pydantic: `Meta` and structs within it are replaced, everything else stays."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return twin(hint)
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Annotated:
        bare, *marks = parts
        bounds = [
            _bounds(bare, mark) if isinstance(mark, msgspec.Meta) else mark for mark in marks
        ]
        return Annotated[in_pydantic(bare), *bounds]
    if kind in (Union, UnionType):
        return reduce(or_, map(in_pydantic, parts))
    if kind in (list, tuple, dict):
        return kind[*map(in_pydantic, parts)]
    return hint


def _bounds(kind: Any, meta: msgspec.Meta) -> Any:
    from pydantic import Field, StringConstraints

    given = {name: getattr(meta, name) for name in _BOUNDS}
    bounds = {name: value for name, value in given.items() if value is not None}
    if kind is not str:
        return Field(**bounds)
    # Rust's regular expressions also search, and their `$` is the very end.
    pattern = meta.pattern and meta.pattern.replace(r"\Z", "$")
    return StringConstraints(pattern=pattern, **bounds)


_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length")
