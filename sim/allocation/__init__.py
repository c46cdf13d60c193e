"""Who gets which subchannels, at what power, and where the model is cut."""
