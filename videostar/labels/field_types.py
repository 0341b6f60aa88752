"""Pydantic field types that several kinds of label share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]  # without spaces around it
Share = Annotated[float, Field(gt=0, le=1)]
