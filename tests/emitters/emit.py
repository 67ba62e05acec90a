# A service in Python with the SDK's default settings: spans and metrics by OTLP/HTTP, protobuf.
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = trace.get_tracer("test")
for _ in range(20):
    attributes = {"http.request.method": "GET", "http.route": "/hello"}
    with tracer.start_as_current_span("GET /hello", kind=trace.SpanKind.SERVER, attributes=attributes):
        attributes = {"db.system": "postgresql", "db.name": "greetings"}
        with tracer.start_as_current_span("SELECT", kind=trace.SpanKind.CLIENT, attributes=attributes):
            pass
trace.get_tracer_provider().shutdown()

metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
meter = metrics.get_meter("test")
# pybreaker's own number of "open".
observe = lambda options: [metrics.Observation(1, {"name": "greetings"})]
meter.create_observable_gauge("pybreaker_state", [observe])
meter.create_histogram("http.server.request.duration", unit="s").record(0.25, {"http.route": "/hello"})
meter.create_counter("greetings.sent").add(3)
metrics.get_meter_provider().shutdown()
