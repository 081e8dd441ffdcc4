"""Sealed invocations (spec/sealed-v1.md): what caller and instance say to each other, apart from what carries it. PURE."""
