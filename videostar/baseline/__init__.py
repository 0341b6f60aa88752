"""A supervised video classifier on the labels, splits and frames of a run: what do they give without language?"""
