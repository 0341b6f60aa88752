"""Other languages than English: which one an answer is in, and its function words in English.

`files` reads the words of each language, `detection` tells the languages of a text, and `translation` puts what
decides the meaning of an answer into English, with `quantities` for numbers, units and times.
"""

from videostar.labels.languages.detection import covered_scripts, languages_of, uncovered_script
from videostar.labels.languages.files import Language, languages, read_language

__all__ = ["Language", "covered_scripts", "languages", "languages_of", "read_language", "uncovered_script"]
