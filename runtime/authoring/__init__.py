"""For who writes labs: a first file, the rules of labs, mutations, and one command that checks one lab."""
