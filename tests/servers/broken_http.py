"""What an endpoint, or a proxy before it, may do to HTTP/1.1 on a socket: bytes, and when they are sent.

In: the JSON of an answer, that of another one, and a kind of fault. Out: pieces of bytes with the seconds to wait
before each.
"""

import gzip
import random
from collections.abc import Iterator

# the first is an answer if it has been read when the second comes, and both are void if not
EITHER = ("second_late",)
# the answer is whole and comes to be read
WHOLE = ("split", "chunked", "until_close", "early_hints", "packed")
# what cuts an answer off, by where in it the connection is reset
RESETS = ("start", "status", "header_name", "header_value", "line_end", "before_body", "body", "last_byte")
# no answer, or none that can be told from another one
VOID = (
    "second_at_once",
    "longer_than_said",
    "longer_in_pieces",
    "shorter_than_said",
    "two_lengths",
    "length_and_chunks",
    "no_status",
    "bad_chunk",
    "many_headers",
    "long_header",
    "another_protocol",
    "closed",
    "packed_half",
    "packed_twice",
    "packed_and_more",
    *(f"reset_{place}" for place in RESETS),
)
# too large to be read to the end: the call fails, and is not made again
TOO_LARGE = ("bomb", "endless")
KINDS = (*WHOLE, *EITHER, *VOID, *TOO_LARGE)
_STATUS = b"HTTP/1.1 200 OK\r\n"
_TYPE = b"Content-Type: application/json\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_PACKED = b"Content-Encoding: gzip\r\n"
_MEGABYTE = 1_000_000


def _length(content: bytes, more: int = 0) -> bytes:
    """Return the header that gives a length."""
    return b"Content-Length: %d\r\n" % (len(content) + more)


def _whole(content: bytes) -> bytes:
    """Return an answer as it should be."""
    return _STATUS + _TYPE + _length(content) + b"\r\n" + content


def _chunks(content: bytes) -> bytes:
    """Return content in chunks, with what is allowed beside them."""
    pieces = [content[start : start + 50] for start in range(0, len(content), 50)]
    return b"".join(b"%x;name=value\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX-Sum: 1\r\n\r\n"


def _place(place: str, answer: bytes) -> int:
    """Return how many bytes of an answer come before it is cut off at a place."""
    body = answer.index(b"\r\n\r\n") + 4
    return {
        "start": 0,
        "status": 12,
        "header_name": len(_STATUS) + 5,
        "header_value": len(_STATUS) + 20,
        "line_end": len(_STATUS) - 1,
        "before_body": body,
        "body": (body + len(answer)) // 2,
        "last_byte": len(answer) - 1,
    }[place]


def send_broken(kind: str, content: bytes, other: bytes, draw: random.Random) -> Iterator[tuple[float, bytes]]:
    """Return the pieces of bytes that are sent for an answer, each with the seconds to wait before it."""
    answer = _whole(content)
    if kind == "split":
        cuts = sorted(draw.sample(range(1, len(answer)), min(12, len(answer) - 1)))
        yield from ((0.001, answer[start:end]) for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True))
    elif kind == "second_late":
        yield from ((0, answer), (draw.uniform(0.005, 0.05), _whole(other)))
    elif kind == "longer_in_pieces":
        # its head has been read when what is wrong comes
        yield from ((0, answer[:-9]), (0.02, answer[-9:] + b', "more": 1}'))
    elif kind.startswith("reset_"):
        yield 0, answer[: _place(kind.removeprefix("reset_"), answer)]
    elif kind == "bomb":
        packed = gzip.compress(content + b" " * 100 * _MEGABYTE, 1)
        yield 0, _STATUS + _TYPE + _PACKED + _length(packed) + b"\r\n" + packed
    elif kind == "endless":
        yield 0, _STATUS + _TYPE + b"\r\n"
        yield from ((0, b" " * _MEGABYTE) for _ in range(100))
    else:
        packed = gzip.compress(content)
        yield (
            0,
            {
                "chunked": _STATUS + _TYPE + _CHUNKED + b"\r\n" + _chunks(content),
                "until_close": _STATUS + _TYPE + b"\r\n" + content,
                "early_hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" + answer,
                "packed": _STATUS + _TYPE + _PACKED + _length(packed) + b"\r\n" + packed,
                "packed_half": _STATUS + _TYPE + _PACKED + _length(packed, -9) + b"\r\n" + packed[:-9],
                "packed_twice": _STATUS + _TYPE + _PACKED + _length(packed + packed) + b"\r\n" + packed + packed,
                "packed_and_more": _STATUS + _TYPE + _PACKED + b"\r\n" + packed + b"more" * 100,
                "second_at_once": answer + _whole(other),
                "longer_than_said": _STATUS + _TYPE + _length(content) + b"\r\n" + content + b', "more": 1}',
                "shorter_than_said": _STATUS + _TYPE + _length(content, 7) + b"\r\n" + content,
                "two_lengths": _STATUS + _TYPE + _length(content) + _length(content, -1) + b"\r\n" + content,
                "length_and_chunks": _STATUS + _TYPE + _length(content) + _CHUNKED + b"\r\n" + _chunks(content),
                "no_status": b"HTTP/1.1 fine\r\n" + _length(content) + b"\r\n" + content,
                "bad_chunk": _STATUS + _TYPE + _CHUNKED + b"\r\nxyz\r\n" + content,
                "many_headers": _STATUS
                + b"".join(b"X-%d: x\r\n" % number for number in range(200))
                + _length(content)
                + b"\r\n"
                + content,
                "long_header": _STATUS + b"X: " + b"x" * 100_000 + b"\r\n" + _length(content) + b"\r\n" + content,
                "another_protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
                "closed": b"",
            }[kind],
        )
