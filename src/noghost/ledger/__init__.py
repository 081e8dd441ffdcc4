"""PURE: entries, tree, checkpoint, proof, receipt, and the store that keeps them."""
