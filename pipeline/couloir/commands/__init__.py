"""The commands of the command line, by what a user is about to do; each a short function without logic."""
