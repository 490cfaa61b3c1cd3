"""Protobuf messages as JSON with the field names of the schema.

Unlike the canonical mapping, 64-bit integers are numbers and an absent value (NaN) is null, so that no client
has to parse "NaN" or "123". Ours stay below 2^53, but for the hashes that name a schema: those a reader in
JavaScript may round, and still compare.
"""

from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

_encoder = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """JSON bytes; NaN and the infinities become null."""
    return _encoder.encode(value)


def to_plain(message: Message) -> dict[str, Any]:
    """Every field of the message by its schema name; messages that are not set are left out."""
    plain: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            plain[field.name] = _repeated(field, value)
        elif field.message_type is not None:
            if message.HasField(field.name):
                plain[field.name] = to_plain(value)
        else:
            plain[field.name] = _scalar(field, value)
    return plain


def _repeated(field: Any, value: Any) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        inner = kind.fields_by_name["value"]
        return {str(key): _scalar(inner, item) for key, item in value.items()}
    if kind is not None:
        return [to_plain(item) for item in value]
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
