"""The notifyees that ship with the package, one file each; ``docs/shipped-notifyees.md`` shows how to register them."""
