// A service in Node.js: spans by OTLP/JSON and to Zipkin, metrics by OTLP/protobuf.
const { SpanKind, SpanStatusCode, context, trace } = require("@opentelemetry/api");
const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-proto");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
const { ZipkinExporter } = require("@opentelemetry/exporter-zipkin");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");

async function spans(service, exporter) {
  const resource = resourceFromAttributes({ "service.name": service });
  const provider = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(exporter)] });
  const tracer = provider.getTracer("emitter");
  for (let number = 0; number < 20; number++) {
    const server = tracer.startSpan("GET /hello", { kind: SpanKind.SERVER, attributes: { "http.route": "/hello", ratio: 0.5, number } });
    const within = trace.setSpan(context.active(), server);
    const client = tracer.startSpan("POST", { kind: SpanKind.CLIENT, attributes: { "service.peer.name": "greetings" } }, within);
    client.addEvent("retry", { attempt: 2 });
    if (number === 0) client.setStatus({ code: SpanStatusCode.ERROR, message: "no answer" });
    client.end();
    server.end();
  }
  await provider.shutdown();
}

async function metrics(service) {
  const resource = resourceFromAttributes({ "service.name": service });
  const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const meter = provider.getMeter("emitter");
  const breaker = meter.createObservableGauge("circuit_breaker_state");
  breaker.addCallback((result) => result.observe(1, { name: "greetings", state: "half_open" }));
  meter.createHistogram("http.server.request.duration", { unit: "s" }).record(0.25, { "http.route": "/hello" });
  meter.createCounter("greetings.sent").add(3);
  await provider.shutdown();
}

async function main() {
  await spans("hello-node", new OTLPTraceExporter());
  await spans("hello-node-zipkin", new ZipkinExporter());
  await metrics("hello-node");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
