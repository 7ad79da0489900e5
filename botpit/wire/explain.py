"""Why a request is refused, in words that name the field; made for the first request that needs it.

msgspec reads what is right faster than anything else, but stops at the first byte that is wrong. pydantic knows the whole request
and says what it expected. It reads twins of the very same structs, so that the vocabulary is written once.
"""

from __future__ import annotations

from dataclasses import MISSING, make_dataclass
from dataclasses import field as dataclass_field
from functools import cache, cached_property, reduce
from operator import or_
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Refusal(ValueError):
    """`where`: the way to the field, empty when it is the request as a whole. `no_json`: it is not even JSON."""

    def __init__(self, why: str, where: tuple[object, ...] = (), *, no_json: bool = False) -> None:
        super().__init__(why)
        self.why, self.where, self.no_json = why, where, no_json


class Explainer:
    """One kind of requests, of the tagged structs of `union`. pydantic is imported when the first of them is explained."""

    def __init__(self, union: Any) -> None:
        self._structs: dict[str, type[msgspec.Struct]] = {each.type: each for each in get_args(union)}

    def read(self, data: bytes) -> msgspec.Struct:
        """The request, should it be one. Raises Refusal."""
        from pydantic import ValidationError

        try:
            found = self._adapter.validate_json(data)
        except ValidationError as error:
            raise _refusal(error.errors(include_url=False, include_context=False, include_input=False)[0]) from error
        return self._structs[found.type](**{name: value for name, value in vars(found).items() if name != "type"})

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
    """A dataclass that makes pydantic take what msgspec takes for the struct."""
    hints = get_type_hints(struct, include_extras=True)
    columns = [(each.encode_name, in_pydantic(hints[each.name]), _default(each)) for each in msgspec.structs.fields(struct)]
    config = struct.__struct_config__
    if config.tag is not None:
        columns.append(("type", Literal[config.tag], dataclass_field(default=config.tag)))
    extra = "forbid" if config.forbid_unknown_fields else "ignore"
    namespace = {"__pydantic_config__": {"strict": True, "extra": extra, "allow_inf_nan": False}, "__doc__": struct.__doc__}
    return make_dataclass(struct.__name__, columns, kw_only=True, namespace=namespace)


def _default(column: msgspec.structs.FieldInfo) -> Any:
    if column.default_factory is not msgspec.NODEFAULT:
        return dataclass_field(default_factory=column.default_factory)
    return dataclass_field(default=MISSING if column.default is msgspec.NODEFAULT else column.default)


def in_pydantic(hint: Any) -> Any:
    """An annotation in pydantic's words: `Meta` and structs within it are replaced, everything else stays."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return twin(hint)
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Annotated:
        bounds = [_bounds(parts[0], each) if isinstance(each, msgspec.Meta) else each for each in parts[1:]]
        return Annotated[in_pydantic(parts[0]), *bounds]
    if kind in (Union, UnionType):
        return reduce(or_, map(in_pydantic, parts))
    return kind[*map(in_pydantic, parts)] if kind in (list, tuple, dict) else hint


def _bounds(kind: Any, meta: msgspec.Meta) -> Any:
    from pydantic import Field, StringConstraints

    told = {name: value for name in _BOUNDS if (value := getattr(meta, name)) is not None}
    if kind is not str:
        return Field(**told)
    # Rust's regular expressions search too, and their `$` is the very end.
    pattern = None if meta.pattern is None else meta.pattern.replace(r"\Z", "$")
    return StringConstraints(pattern=pattern, **told)


_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length")
