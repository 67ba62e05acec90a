//! The system that is traced: twenty services, who calls whom, what they ask their databases, where they run.

use super::{
    dice::{Spread, Weights},
    wire::{self, Attributes},
};

/// `deployment.environment.name` of everything.
pub const ENVIRONMENT: &str = "bench";
/// `service.namespace` of everything.
pub const NAMESPACE: &str = "shop";

/// Name, language, index of those it calls, its database, its resources in routes.
type Line = (&'static str, Language, &'static [usize], Option<Database>, [&'static str; 3]);

/// What a service is written in: decides how fine its clock is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Go,
    Rust,
    Java,
    NodeJs,
    Python,
}

impl Language {
    /// `telemetry.sdk.language`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Rust => "rust",
            Self::Java => "java",
            Self::NodeJs => "nodejs",
            Self::Python => "python",
        }
    }

    /// Nanoseconds a tick of its clock.
    pub const fn tick_ns(self) -> u64 {
        match self {
            Self::Go | Self::Rust => 1,
            Self::Java | Self::NodeJs | Self::Python => 1_000,
        }
    }
}

/// A database system.
#[derive(Clone, Copy)]
pub enum Database {
    Postgres,
    MySql,
    Redis,
}

impl Database {
    /// `db.system.name`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::MySql => "mysql",
            Self::Redis => "redis",
        }
    }

    /// `server.port`.
    pub const fn port(self) -> u64 {
        match self {
            Self::Postgres => 5432,
            Self::MySql => 3306,
            Self::Redis => 6379,
        }
    }
}

use Database::{MySql, Postgres, Redis};
use Language::{Go, Java, NodeJs, Python, Rust};

const LINES: [Line; 20] = [
    ("gateway", Go, &[3, 4, 5, 6], None, ["checkout", "carts", "products"]),
    ("web", NodeJs, &[4, 5, 6, 13], Some(Redis), ["pages", "sessions", "assets"]),
    ("mobile-api", Java, &[3, 4, 7, 13], None, ["home", "carts", "feed"]),
    ("checkout", Java, &[4, 8, 10, 11], Some(Postgres), ["orders", "quotes", "payments"]),
    ("cart", Go, &[7, 11, 13], Some(Redis), ["carts", "items", "coupons"]),
    ("catalog", Java, &[7, 11, 17], Some(Postgres), ["products", "categories", "brands"]),
    ("search", Rust, &[5, 16], None, ["queries", "suggestions", "facets"]),
    ("pricing", Rust, &[18], Some(Redis), ["prices", "taxes", "discounts"]),
    ("payment", Java, &[9, 14], Some(MySql), ["charges", "refunds", "methods"]),
    ("fraud", Python, &[13], Some(Postgres), ["scores", "rules", "cases"]),
    ("orders", Go, &[12, 15, 19], Some(Postgres), ["orders", "returns", "invoices"]),
    ("inventory", Go, &[], Some(Postgres), ["stock", "reservations", "warehouses"]),
    ("shipping", NodeJs, &[15], Some(MySql), ["parcels", "rates", "labels"]),
    ("users", Go, &[14], Some(Postgres), ["users", "addresses", "preferences"]),
    ("accounts", Rust, &[], Some(Redis), ["logins", "devices", "grants"]),
    ("mail", Python, &[], None, ["messages", "templates", "bounces"]),
    ("recommendations", Python, &[5], Some(Redis), ["similar", "popular", "personal"]),
    ("reviews", NodeJs, &[13], Some(MySql), ["reviews", "votes", "photos"]),
    ("loyalty", Java, &[], Some(MySql), ["points", "tiers", "vouchers"]),
    ("notifications", NodeJs, &[15], None, ["pushes", "topics", "digests"]),
];

/// How many services there are.
pub const SERVICES: usize = LINES.len();
/// Those that users reach, most used first.
pub const ENTRIES: [usize; 3] = [0, 2, 1];

/// The name of a service.
pub const fn service_name(service: usize) -> &'static str {
    LINES[service].0
}

/// One endpoint.
pub struct Route {
    pub method: &'static str,
    /// As in `http.route`.
    pub template: String,
    /// Up to where the id stands.
    pub prefix: String,
    /// Name of the server's span.
    pub operation: String,
}

/// One kind of query.
pub struct Statement {
    pub verb: &'static str,
    pub table: String,
    pub operation: String,
    pub text: String,
}

/// A process that sends spans.
pub struct Pod {
    /// How far its clock is off; whole microseconds.
    pub skew_ns: i64,
    /// `Resource` and `InstrumentationScope`, encoded.
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Pod {
    /// A request with these spans: each is already field 2 of a `ScopeSpans`.
    pub fn request(&self, spans: &[u8]) -> Vec<u8> {
        let mut scope_spans = Vec::with_capacity(spans.len() + 64);
        wire::bytes(&mut scope_spans, 1, &self.scope);
        scope_spans.extend_from_slice(spans);
        let mut resource_spans = Vec::with_capacity(scope_spans.len() + 1_024);
        wire::bytes(&mut resource_spans, 1, &self.resource);
        wire::bytes(&mut resource_spans, 2, &scope_spans);
        let mut request = Vec::with_capacity(resource_spans.len() + 8);
        wire::bytes(&mut request, 1, &resource_spans);
        request
    }
}

/// One service.
pub struct Service {
    pub name: &'static str,
    pub host: String,
    pub tick_ns: u64,
    pub callees: &'static [usize],
    pub database: Option<Database>,
    pub routes: Vec<Route>,
    pub route_weights: Weights,
    pub statements: Vec<Statement>,
    pub pods: Vec<Pod>,
    /// What it says when it fails: type, message up to the id, stack.
    pub exception: (String, String, String),
}

/// The whole system.
pub struct Shop {
    pub services: Vec<Service>,
    /// Time of own work, in microseconds.
    pub work_us: Spread,
    /// Time of a query, in microseconds.
    pub query_us: Spread,
    /// Time on the network one way, in microseconds.
    pub network_us: Spread,
}

impl Shop {
    /// With so many processes a service. The system itself is always the same.
    pub fn new(pods: usize) -> Self {
        Self {
            services: (0..SERVICES).map(|index| Service::new(index, pods)).collect(),
            // Long tails: most work is done in a millisecond, some takes seconds, so that searches by duration differ.
            work_us: Spread::new(&[
                (550, 50, 800),
                (300, 800, 5_000),
                (120, 5_000, 30_000),
                (28, 30_000, 200_000),
                (2, 200_000, 3_000_000),
            ]),
            query_us: Spread::new(&[
                (700, 150, 1_500),
                (270, 1_500, 12_000),
                (29, 12_000, 120_000),
                (1, 120_000, 900_000),
            ]),
            network_us: Spread::new(&[(900, 80, 400), (95, 400, 3_000), (5, 3_000, 40_000)]),
        }
    }
}

impl Service {
    fn new(index: usize, pods: usize) -> Self {
        let (name, language, callees, database, nouns) = LINES[index];
        let routes = nouns.iter().flat_map(|noun| {
            ["GET", "GET", "POST", "PUT"].iter().enumerate().map(move |(nth, method)| {
                let deep = if nth == 1 { "/details" } else { "" };
                let prefix = format!("/api/v{}/{noun}{deep}/", 1 + index % 3);
                let template = format!("{prefix}{{id}}");
                Route { method, operation: format!("{method} {template}"), template, prefix }
            })
        });
        let statements = nouns.iter().flat_map(|noun| {
            ["SELECT", "INSERT", "UPDATE"].iter().map(move |verb| {
                let text = match *verb {
                    "SELECT" => format!("SELECT id, tenant, state, total, created_at FROM {noun} WHERE id = $1 AND tenant = $2 ORDER BY created_at DESC LIMIT 50"),
                    "INSERT" => format!("INSERT INTO {noun} (id, tenant, state, total, created_at) VALUES ($1, $2, $3, $4, now()) ON CONFLICT (id) DO NOTHING"),
                    _ => format!("UPDATE {noun} SET state = $1, total = $2, changed_at = now() WHERE id = $3 AND tenant = $4"),
                };
                Statement { verb, operation: format!("{verb} {noun}"), table: (*noun).to_owned(), text }
            })
        });
        let frames: String = (0..6)
            .map(|frame| {
                format!("\n\tat shop.{name}.{}.handle{frame}({name}_{frame}.src:{})", nouns[frame % 3], 40 + 17 * frame)
            })
            .collect();
        Self {
            name,
            host: format!("{name}.{NAMESPACE}.svc.cluster.local"),
            tick_ns: language.tick_ns(),
            callees,
            database,
            routes: routes.collect(),
            // The usual: few endpoints take most of the traffic.
            route_weights: Weights::new((1..=12_u32).map(|rank| 1_200 / rank)),
            statements: statements.collect(),
            pods: (0..pods).map(|pod| Pod::new(index, pod, language)).collect(),
            exception: (
                format!("shop.{name}.{}Unavailable", nouns[0]),
                format!("no {} left for request ", nouns[0]),
                format!("shop.{name}.{}Unavailable{frames}", nouns[0]),
            ),
        }
    }
}

impl Pod {
    fn new(service: usize, pod: usize, language: Language) -> Self {
        let name = service_name(service);
        // Names look like those of a cluster: a hash each, fixed by the place.
        let hash = (service as u64 * 131 + pod as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let pod_name =
            format!("{name}-{:08x}-{:05x}", (service as u64 + 1).wrapping_mul(0x517c_c1b7) & 0xffff_ffff, hash >> 44);
        let node = format!("node-{:02}.eu-1.internal", hash % 24);
        let mut attributes = Attributes::new(1);
        for (key, value) in [
            ("service.name", name),
            ("service.namespace", NAMESPACE),
            ("service.version", ["1.14.2", "2.0.7", "0.9.31"][service % 3]),
            ("service.instance.id", &pod_name),
            ("deployment.environment.name", ENVIRONMENT),
            ("host.name", &node),
            ("k8s.pod.name", &pod_name),
            ("k8s.node.name", &node),
            ("telemetry.sdk.name", "opentelemetry"),
            ("telemetry.sdk.language", language.name()),
            ("telemetry.sdk.version", "1.38.0"),
        ] {
            attributes.text(key, value);
        }
        let mut scope = Vec::new();
        wire::bytes(&mut scope, 1, format!("io.opentelemetry.{}-http", language.name()).as_bytes());
        wire::bytes(&mut scope, 2, b"0.61.0");
        // Clocks that are kept by NTP: within two milliseconds of each other.
        let skew_ns = (hash % 4_001) as i64 * 1_000 - 2_000_000;
        Self { skew_ns, resource: attributes.bytes, scope }
    }
}
