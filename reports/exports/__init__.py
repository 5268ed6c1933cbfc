"""Other forms of a record: Markdown to print, recordings for asciinema."""
