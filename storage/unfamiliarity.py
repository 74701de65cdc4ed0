"""How unfamiliar a text is to the version that scored it: one number, the same in SQL and Python.

Predictions store how familiar a text is from training in four features. Their mean orders texts, so
that a report can list the least familiar ones, and a sample for labelling can begin with them.
"""

from __future__ import annotations

from collections.abc import Mapping

# The surprise in nats of a token that training never saw, in rounded terms: it brings
# `token_surprise` to the scale of the shares, which is 0 to 1.
HIGHEST_SURPRISE = 10.0
SHARES = ("new_token_share", "new_pair_share", "new_triple_share")

_shares = " + ".join(f"CAST(features ->> '{name}' AS float8)" for name in SHARES)
# An SQL expression over the column `features` of `plumbline.predictions`; the higher, the less
# familiar. NULL for a prediction of a release that did not store these features, so that
# `ORDER BY ... DESC` needs NULLS LAST.
UNFAMILIARITY = (
    f"((CAST(features ->> 'token_surprise' AS float8) / {HIGHEST_SURPRISE} + {_shares}) / 4.0)"
)


def unfamiliarity(features: Mapping[str, float]) -> float | None:
    """Return what UNFAMILIARITY computes; None if a feature is missing."""
    if "token_surprise" not in features or any(name not in features for name in SHARES):
        return None
    shares = sum(features[name] for name in SHARES)
    return (features["token_surprise"] / HIGHEST_SURPRISE + shares) / 4.0
