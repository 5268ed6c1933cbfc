"""The stage: a run of the labs as a walkthrough, which a person drives from a terminal (``--step``)."""
