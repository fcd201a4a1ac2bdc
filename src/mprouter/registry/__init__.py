"""Registry files: their text (``reg_file``), what is kept here as registry keys (``state``), and importing them."""
