"""Protobuf messages as plain values with the field names of the schema, for JSON.

Unlike the canonical mapping, 64-bit integers are numbers, so that no client has to parse "123". Ours stay below 2^53,
but for the hashes that name a schema: those a reader in JavaScript may round, and still compare.
"""

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message


def to_plain(message: Message) -> dict[str, Any]:
    """Return every field of the message by its schema name; messages that are not set are left out."""
    return dict(_fields(message, to_plain))


def measured(message: Message) -> dict[str, Any]:
    """Return every field; an optional one that is not set was not measured, and is None, never 0."""
    unset = {f.name: None for f in message.DESCRIPTOR.fields if f.has_presence and not message.HasField(f.name)}
    return dict(_fields(message, measured)) | unset


Inner = Callable[[Message], dict[str, Any]]


def _fields(message: Message, inner: Inner) -> Iterator[tuple[str, Any]]:
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            yield field.name, _repeated(field, value, inner)
        elif field.message_type is None:
            yield field.name, _scalar(field, value)
        elif message.HasField(field.name):
            yield field.name, inner(value)


def _repeated(field: Any, value: Any, inner: Inner) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        of = kind.fields_by_name["value"]
        return {str(key): _scalar(of, item) for key, item in value.items()}
    if kind is not None:
        return [inner(item) for item in value]
    if field.type in (Field.TYPE_DOUBLE, Field.TYPE_INT64):
        return list(value)
    return [_scalar(field, item) for item in value]


def _scalar(field: Any, value: Any) -> Any:
    if field.type == Field.TYPE_ENUM:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else value
    if field.type == Field.TYPE_BYTES:
        return value.hex()
    return value
