"""Sealed invocations (spec/sealed-v1.md): what caller and instance say, apart from what carries it. PURE."""
