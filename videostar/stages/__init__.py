"""The stages of a round: functions from files and settings to files."""
