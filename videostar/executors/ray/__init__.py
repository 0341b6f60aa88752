"""The executor for a Ray cluster: answers on Ray Core actors, trainings by Ray Train."""
