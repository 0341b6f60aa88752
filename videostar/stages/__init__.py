"""The stages of a round: functions that read files and write files."""
