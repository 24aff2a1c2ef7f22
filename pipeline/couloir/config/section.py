"""What the sections of a run file have in common."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


SECRET = re.compile(
    r"^key$|^user(name)?$|secret|token|passw|credential|(access|account|private|api|customer)_?key|connection_str"
    r"|^auth|cookie|^sas",
    re.IGNORECASE,
)
"""What the name of a credential looks like."""


class Section(BaseModel):
    """Refuse unknown keys, and never change once made."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
