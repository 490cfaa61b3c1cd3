"""What msgspec raises at bytes of another program that are not the JSON they should be."""

import msgspec

# Not the JSON or not the shape; text that is no UTF-8; nested deeper than Python goes. The first alone would let a
# stranger at a port end whoever reads it.
UNREADABLE: tuple[type[Exception], ...] = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
