"""The demo: everything at once on one machine, with listeners made up, and an account of what came of every play."""
