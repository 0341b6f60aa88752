"""The endings of files that hold videos or pictures, in lower case."""

from __future__ import annotations

VIDEO_ENDINGS = frozenset(
    (
        ".mp4 .m4v .mov .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .vob .3gp .3g2 .flv .ogv .wmv .asf .gif .mxf .dv"
        " .f4v .qt .divx .mpe .mod .tod .m2t .ogg .ivf .y4m .h264 .264 .h265 .265 .hevc .m2v .obu .insv .lrv"
    ).split()
)
PICTURE_ENDINGS = frozenset(".jpg .jpeg .png .bmp .webp".split())
