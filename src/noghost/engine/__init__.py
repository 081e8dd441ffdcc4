"""PURE, runs in an instance: model, context, sampler, chat template, text."""
