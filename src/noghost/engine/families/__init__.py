"""What a model's answer says: reasoning, words, tool calls. PURE, in an instance; one small file a syntax."""
