use std::path::Path;

use super::*;

/// What is installed where these tests look.
const FILES: [&str; 6] = [
    "/venv/bin/python",
    "/venv/bin/opentelemetry-instrument",
    "/usr/bin/python3",
    "/shop/node_modules/@opentelemetry/auto-instrumentations-node/build/src/register.js",
    "/my shop/node_modules/@opentelemetry/auto-instrumentations-node/build/src/register.js",
    "/home/dev/opentelemetry-javaagent.jar",
];

fn planned(command: &str, directory: &str, variables: &[(&str, &str)]) -> Plan {
    let args = RunArgs {
        name: None,
        otlp_url: None,
        print: false,
        quiet: false,
        command: command.split_whitespace().map(OsString::from).collect(),
    };
    let place = Place {
        directory: directory.into(),
        variables: variables.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect(),
        process: 42,
        exists: |path| FILES.iter().any(|file| Path::new(file) == path),
    };
    plan(&args, &place)
}

fn words(plan: &Plan) -> String {
    plan.command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_sdk_is_told_the_name_the_address_and_the_protocol() {
    let plan = planned("./checkout --port 80", "/shop", &[]);

    assert_eq!((plan.name.as_str(), words(&plan).as_str()), ("checkout", "./checkout --port 80"));
    assert_eq!(plan.instrumented, Instrumented::Unknown);
    let variables: Vec<(&str, &str)> = plan.variables.iter().map(|(key, text)| (*key, text.as_str())).collect();
    let expected = [
        ("OTEL_BSP_SCHEDULE_DELAY", "1000"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "10000"),
        ("OTEL_NODE_RESOURCE_DETECTORS", "env,host,os,process"),
        ("OTEL_PROPAGATORS", "tracecontext,baggage"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=checkout-42"),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database"),
        ("OTEL_SERVICE_NAME", "checkout"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
    ];
    assert_eq!(variables, expected);
}

#[test]
fn what_the_user_set_stays() {
    let plan = planned(
        "./checkout",
        "/shop",
        &[
            ("OTEL_SERVICE_NAME", "till"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://10.0.0.1:4318"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=shop"),
            ("SPILLWAY_INGEST_KEY", "k"),
        ],
    );

    assert_eq!((plan.name.as_str(), plan.otlp_url.as_str()), ("till", "http://10.0.0.1:4318"));
    assert!(!plan.variables.contains_key("OTEL_METRICS_EXPORTER"));
    assert_eq!(plan.variables["OTEL_RESOURCE_ATTRIBUTES"], "service.namespace=shop,service.instance.id=till-42");
    assert_eq!(plan.variables["OTEL_EXPORTER_OTLP_HEADERS"], "authorization=Bearer%20k");
}

#[test]
fn python_is_wrapped_by_the_instrumentation_of_its_own_environment() {
    for (command, path) in [("python cart.py", "/venv/bin:/usr/bin"), ("/venv/bin/python cart.py", "/usr/bin")] {
        let plan = planned(command, "/shop", &[("PATH", path)]);
        assert_eq!(words(&plan), format!("/venv/bin/opentelemetry-instrument {command}"), "{path}");
    }

    let plan = planned("python3 cart.py", "/shop", &[("PATH", "/usr/bin")]);
    assert_eq!(words(&plan), "python3 cart.py");
    let Instrumented::Missing { install, .. } = plan.instrumented else { panic!("{:?}", plan.instrumented) };
    assert!(install.starts_with("python3 -m pip install opentelemetry-distro"), "{install}");
}

#[test]
fn node_loads_the_package_that_it_would_find_itself() {
    let plan = planned("node src/mail.js", "/shop/services", &[("NODE_OPTIONS", "--trace-warnings")]);
    assert_eq!(plan.name, "mail");
    assert_eq!(
        plan.variables["NODE_OPTIONS"],
        "--trace-warnings --require /shop/node_modules/@opentelemetry/auto-instrumentations-node/build/src/register.js"
    );

    let plan = planned("npm start", "/my shop", &[]);
    assert!(plan.variables["NODE_OPTIONS"].starts_with("--require \"/my shop/"), "{:?}", plan.variables);

    let plan = planned("node /shop/mail.js", "/elsewhere", &[]);
    assert!(plan.variables.contains_key("NODE_OPTIONS"), "beside the script");

    let plan = planned("node mail.js", "/elsewhere", &[]);
    assert!(matches!(plan.instrumented, Instrumented::Missing { language: "Node.js", .. }));
}

#[test]
fn java_loads_the_agent_where_there_is_one() {
    let plan = planned("java -jar till.jar", "/shop", &[("HOME", "/home/dev")]);
    assert_eq!(plan.variables["JAVA_TOOL_OPTIONS"], "-javaagent:/home/dev/opentelemetry-javaagent.jar");

    let plan = planned("java -jar till.jar", "/shop", &[]);
    assert!(matches!(plan.instrumented, Instrumented::Missing { language: "Java", .. }));
}
