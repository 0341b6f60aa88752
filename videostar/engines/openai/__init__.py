"""A vLLM server that already runs."""

ONE_VIDEO = "vLLM's server takes the frame times of one video per request"
