"""Label-to-prompt adapters: from a row of a data set to its question and its label.

An adapter is a small class: `prompts` names a prompt file, `label` makes the label object of a row. There is one for
every kind of label (`kinds.py`) and for the paper's tasks (`paper.py`). A user's own is given by path,
`my_adapter.py:DiveScore`, or by an entry point of the group `videostar.adapters`.
"""

from videostar.adapters.adapter import LabelAdapter, NoQuestion, Row
from videostar.adapters.find import adapter_folder, load_adapter

__all__ = ["LabelAdapter", "NoQuestion", "Row", "adapter_folder", "load_adapter"]
