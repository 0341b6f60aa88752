"""From a video file to the frames that a model sees, without torch.

A decoded image of a video is a *picture*; a picture that was sampled and scaled for the model is a *frame*.
"""
