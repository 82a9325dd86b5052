"""Where flag documents come from; each source imports its client when it is built."""
