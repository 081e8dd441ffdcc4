"""THE EXPORTER: pushes the metrics to an OpenTelemetry collector, where that is asked for. A program of its own."""
