"""The section `cache`: where frames, measures and fetched videos are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_dir
from pydantic import Field

from videostar.config.settings import Settings

if TYPE_CHECKING:
    from videostar.video.cache import FrameCache
    from videostar.video.object_cache import ObjectCache


class Cache(Settings):
    """The cache of sampled frames and measures, so that each video is opened once, and of a judge's replies."""

    folder: str | None = Field(None, description="Default: the user's cache folder on this system.")
    gb: float = Field(50, gt=0, description="Gigabytes of frames, at most; the least recently used are deleted first.")
    videos_gb: float = Field(
        50, gt=0, description="The same of videos from object stores (s3://, gs://, hf://), which are fetched there."
    )

    @property
    def home(self) -> Path:
        """The folder."""
        return Path(self.folder).expanduser() if self.folder else Path(user_cache_dir("videostar"))

    def frames(self) -> FrameCache:
        """The sampled frames."""
        from videostar.video.cache import FrameCache

        return FrameCache(self.home / "frames", int(self.gb * 1e9), self.objects())

    def objects(self) -> ObjectCache:
        """The videos of object stores."""
        from videostar.video.object_cache import ObjectCache

        return ObjectCache(self.home / "videos", int(self.videos_gb * 1e9))
