"""Tell settings apart by a short hash."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel


def content_hash(*parts: Any) -> str:
    """Hash values that decide a stage's result: 16 hex digits, the same in every process."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
