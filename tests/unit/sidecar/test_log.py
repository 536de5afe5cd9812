"""A log line: what it holds, what it conceals, and that it never waits for a reader."""

import os

from sidecar.log import LONGEST_LINE, Log, write_to
from tests.unit.sidecar.conftest import Lines


def test_a_line_holds_the_event_the_identity_and_the_fields() -> None:
    lines = Lines()
    log = Log("info", write=lambda line: lines.append(line.decode()), pod="p")
    log.info("told", answer="200", detail='two words, "quoted"\nand more')
    log.debug("not at this level")
    (line,) = lines
    assert line.endswith(' level=info event=told pod=p answer=200 detail="two words, \\"quoted\\"\\nand more"\n')


def test_what_is_concealed_never_shows() -> None:
    lines = Lines()
    log = lines.log()
    log.conceal("")
    log.conceal("first")
    log.conceal("second")
    log.info("told", detail="first second")
    assert lines.holds('detail="*** ***"')


def test_nobody_reading_blocks_nothing() -> None:
    reader, writer = os.pipe()
    log = Log(write=write_to(writer))
    for _ in range(2000):
        log.info("told", detail="x" * 500)
    kept = os.read(reader, 1 << 20)
    assert kept.endswith(b"x\n")
    os.close(reader)
    log.info("told", detail="to nobody at all")
    os.close(writer)
    log.info("told", detail="to a closed file")


def test_a_line_is_cut_to_what_a_pipe_takes_as_a_whole() -> None:
    written: list[bytes] = []
    Log(write=written.append).info("told", detail="ü" * 5000)
    assert len(written[0]) == LONGEST_LINE
    assert written[0].endswith(b"\n")
