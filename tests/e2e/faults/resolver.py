"""A name server on the node that fails in each of its ways before it answers: for pods that are given it as theirs."""

import socket
import struct
import threading
from collections import Counter
from types import TracebackType
from typing import Self

from tests.cluster.layout import NODE_IP

NAME = "cronitor.link"
PORT = 53
SERVER_FAILURE, NO_SUCH_NAME = 2, 3
A, INTERNET = 1, 1
SILENT, FAILING, DENYING = 2, 2, 2
"""So many queries of each pod go unanswered, so many meet a failing server, so many a name that is not there."""


class Resolver:
    """`NAME` is on the node, once a pod has asked often enough. `asked` counts each pod's queries."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((NODE_IP, PORT))
        self._thread = threading.Thread(target=self._serve, name="resolver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                query, source = self._socket.recvfrom(4096)
                if answer := self._answer(query, source[0]):
                    self._socket.sendto(answer, source)
            except OSError:
                return

    def _answer(self, query: bytes, pod: str) -> bytes | None:
        self.asked[pod] += 1
        number = self.asked[pod]
        if number <= SILENT:
            return None
        if number <= SILENT + FAILING:
            return _reply(query, SERVER_FAILURE)
        if number <= SILENT + FAILING + DENYING:
            return _reply(query, NO_SUCH_NAME)
        return _reply(query, 0)


def _reply(query: bytes, code: int) -> bytes:
    """A reply with the question; where there is no error and an IPv4 address is asked for, with the node's."""
    end = 12
    while query[end]:
        end += query[end] + 1
    question = query[12 : end + 5]
    kind = struct.unpack("!H", query[end + 1 : end + 3])[0]
    answers = 1 if code == 0 and kind == A else 0
    header = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, answers, 0, 0)
    record = struct.pack("!HHHIH", 0xC00C, A, INTERNET, 0, 4) + socket.inet_aton(NODE_IP)
    return header + question + record * answers
