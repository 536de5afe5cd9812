"""All shapes that run side by side, the longest first: those that wait for a schedule of one minute."""

from tests.e2e.scenarios.choices import CHOICES
from tests.e2e.scenarios.crowds import CROWDS
from tests.e2e.scenarios.deadlines import DEADLINES
from tests.e2e.scenarios.endings import ENDINGS
from tests.e2e.scenarios.policies import POLICIES
from tests.e2e.scenarios.removals import REMOVALS
from tests.e2e.scenarios.retries import RETRIES
from tests.e2e.scenarios.shapes import Shape
from tests.e2e.scenarios.starts import STARTS

_BY_THEME = (*REMOVALS, *STARTS, *RETRIES, *DEADLINES, *POLICIES, *CROWDS, *CHOICES, *ENDINGS)
TABLE: tuple[Shape, ...] = tuple(sorted(_BY_THEME, key=lambda shape: not shape.is_scheduled))
