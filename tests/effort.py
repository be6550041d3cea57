"""How hard the tests search: `quick`, `thorough`, or `explore`.

`quick` is the default and what `make test` uses: few examples, the same ones each time, so that
a red test is the change's doing. `HYPOTHESIS_PROFILE=thorough` is what `make check` uses: many
examples, the same ones each time too, so that it decides about the change and not about luck.
`make explore` looks for what is new: examples that nobody tried before. No profile has deadlines:
a busy machine is no defect.
"""

import os

from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
_EXAMPLES = {"quick": 25, "thorough": 150, "explore": 500}
_PERCENT = {"quick": 10, "thorough": 100, "explore": 300}


def register_profiles() -> None:
    """Make the profiles known and load the one that was asked for; before any test is imported."""
    for name, count in _EXAMPLES.items():
        settings.register_profile(
            name,
            max_examples=count,
            deadline=None,
            derandomize=name != "explore",
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile(PROFILE)


def examples(thorough: int) -> int:
    """Return how many examples to try: this many if thorough, a tenth if quick, more to explore."""
    return max(10, thorough * _PERCENT[PROFILE] // 100)


def histories() -> int:
    """Return how many histories of a provider to try; `FINTECH_HISTORIES` says otherwise."""
    return int(os.environ.get("FINTECH_HISTORIES") or examples(300))
