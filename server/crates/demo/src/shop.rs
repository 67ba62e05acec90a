//! The shop: which services there are, who calls whom, and how.

use std::time::Duration;

use axum::{
    Extension, Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{Method, StatusCode};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::{
    Args,
    caller::{Callee, Caller, Policy},
    capacity::Capacity,
    control, load,
    orders::{self, Orders},
    report::Reporter,
    serve::Place,
    service::{Service, Serving, World},
    store,
    switches::Switches,
    telemetry::Target,
};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What can be made sick.
const SWITCHED: [&str; 8] =
    ["acquirer.example", "cart", "catalog", "checkout", "inventory", "mailer", "payments", "shop-db"];

/// Payments is the narrowest place: 4 workers × 160 ms serve 25 requests a second. Normal load asks for 6, tenfold for 60.
const PAYMENTS_WORKERS: usize = 4;
const PAYMENTS_TIME: Duration = ms(100);

/// The running shop.
pub(crate) struct Shop {
    services: Vec<Service>,
    addresses: Vec<(&'static str, String)>,
}

impl Shop {
    /// Opens everything and lets the users in.
    ///
    /// # Errors
    /// A port or an address that cannot be used.
    pub(crate) async fn open(args: Args) -> Result<Self, String> {
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(256).build_http();
        let switches = Switches::new(&SWITCHED, args.load);
        let reporter = Reporter::start(http.clone(), &args.spillway_url, args.ingest_key.clone());
        let world = World {
            http: http.clone(),
            switches: switches.clone(),
            reporter,
            target: Target { otlp_url: args.otlp_url, key: args.ingest_key },
            spillway_url: args.spillway_url,
        };
        let mut opened = Opened { world: world.clone(), services: Vec::new() };
        let shop_db = store::open("shop-db", 64, ms(4), &switches).await?;
        let stock_db = store::open("stock-db", 64, ms(3), &switches).await?;
        let acquirer = store::open("acquirer.example", 64, ms(60), &switches).await?;

        let catalog =
            opened.leaf("catalog", Capacity::new(32, ms(12), 500), "/items", get(read), "shop-db", &shop_db).await?;
        let inventory = opened
            .leaf("inventory", Capacity::new(32, ms(8), 500), "/stock", post(read), "stock-db", &stock_db)
            .await?;
        let payments = opened.payments(&acquirer).await?;
        let cart = opened.cart(&inventory, &shop_db).await?;
        let (orders, inbox) = orders::queue();
        let mailer = opened.service("mailer", 1, Capacity::new(4, ms(20), 100))?;
        let mailer_db = opened.database(&mailer, "shop-db", &shop_db);
        tokio::spawn(orders::consume(inbox, mailer, mailer_db));
        let mut checkouts = Vec::new();
        for number in 1..=2 {
            checkouts.push(opened.checkout(number, &inventory, &payments, &shop_db, orders.clone()).await?);
        }
        let gateway = opened.gateway(&catalog, &cart, checkouts).await?;

        let control = Place::at(args.control).await?;
        let addresses = vec![("demo-gateway", gateway.clone()), ("demo-control", control.url())];
        control.serve(control::router(switches.clone()), None);
        tokio::spawn(load::run(http, gateway, switches));
        Ok(Self { services: opened.services, addresses })
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.addresses.iter().map(|(name, url)| (*name, url.as_str()))
    }

    /// Sends what telemetry is left.
    pub(crate) async fn close(self) {
        let flush = tokio::task::spawn_blocking(move || {
            for service in &self.services {
                if let Err(error) = service.telemetry().provider.shutdown_with_timeout(Duration::from_millis(500)) {
                    tracing::debug!(%error, service = service.name(), "the last spans were not sent");
                }
            }
        });
        let _ = tokio::time::timeout(Duration::from_secs(3), flush).await;
    }
}

struct Opened {
    world: World,
    services: Vec<Service>,
}

impl Opened {
    fn service(&mut self, name: &'static str, number: u32, capacity: Capacity) -> Result<Service, String> {
        let service = Service::new(&self.world, name, number, capacity)?;
        self.services.push(service.clone());
        Ok(service)
    }

    async fn serve(&self, service: &Service, router: Router) -> Result<String, String> {
        let place = Place::free().await?;
        let url = place.url();
        place.serve(service.mount(router)?, self.world.switches.watch(service.name()));
        Ok(url)
    }

    fn database(&self, service: &Service, name: &'static str, url: &str) -> Caller {
        let policy = Policy { timeout: ms(300), retries: 1, bulkhead: 64 };
        Caller::new(service, name, Callee::Database, vec![url.to_owned()], policy)
    }

    /// A service that does its work and asks its store.
    async fn leaf(
        &mut self,
        name: &'static str,
        capacity: Capacity,
        path: &'static str,
        handler: axum::routing::MethodRouter<Leaf>,
        database: &'static str,
        database_url: &str,
    ) -> Result<String, String> {
        let service = self.service(name, 1, capacity)?;
        let leaf = Leaf { database: self.database(&service, database, database_url), service: service.clone() };
        self.serve(&service, Router::new().route(path, handler).with_state(leaf)).await
    }

    async fn payments(&mut self, acquirer: &str) -> Result<String, String> {
        let service = self.service("payments", 1, Capacity::new(PAYMENTS_WORKERS, PAYMENTS_TIME, 400))?;
        let policy = Policy { timeout: ms(800), retries: 0, bulkhead: 64 };
        let acquirer = Caller::new(&service, "acquirer.example", Callee::External, vec![acquirer.to_owned()], policy);
        let router =
            Router::new().route("/charge", post(charge)).with_state(Payments { service: service.clone(), acquirer });
        self.serve(&service, router).await
    }

    async fn cart(&mut self, inventory: &str, shop_db: &str) -> Result<String, String> {
        let service = self.service("cart", 1, Capacity::new(32, ms(10), 500))?;
        let policy = Policy { timeout: ms(500), retries: 1, bulkhead: 64 };
        let inventory = Caller::new(&service, "inventory", Callee::Service, vec![inventory.to_owned()], policy);
        let cart = Cart { database: self.database(&service, "shop-db", shop_db), service: service.clone(), inventory };
        self.serve(&service, Router::new().route("/lines", post(add_line)).with_state(cart)).await
    }

    async fn checkout(
        &mut self,
        number: u32,
        inventory: &str,
        payments: &str,
        shop_db: &str,
        orders: Orders,
    ) -> Result<String, String> {
        let service = self.service("checkout", number, Capacity::new(64, ms(10), 500))?;
        let to =
            |callee, url: &str, policy| Caller::new(&service, callee, Callee::Service, vec![url.to_owned()], policy);
        let checkout = Checkout {
            inventory: to("inventory", inventory, Policy { timeout: ms(500), retries: 1, bulkhead: 128 }),
            payments: to("payments", payments, Policy { timeout: ms(1_000), retries: 2, bulkhead: 256 }),
            database: self.database(&service, "shop-db", shop_db),
            service: service.clone(),
            orders,
        };
        self.serve(&service, Router::new().route("/orders", post(order)).with_state(checkout)).await
    }

    async fn gateway(&mut self, catalog: &str, cart: &str, checkouts: Vec<String>) -> Result<String, String> {
        let service = self.service("gateway", 1, Capacity::new(512, ms(1), 1_000))?;
        let to = |callee, urls: Vec<String>, policy| Caller::new(&service, callee, Callee::Service, urls, policy);
        let gateway = Gateway {
            catalog: to("catalog", vec![catalog.to_owned()], Policy { timeout: ms(1_000), retries: 1, bulkhead: 256 }),
            cart: to("cart", vec![cart.to_owned()], Policy { timeout: ms(1_500), retries: 0, bulkhead: 256 }),
            checkout: to("checkout", checkouts, Policy { timeout: ms(4_000), retries: 0, bulkhead: 512 }),
            service: service.clone(),
        };
        let router = Router::new()
            .route("/products", get(products))
            .route("/cart", post(put_in_cart))
            .route("/checkout", post(check_out))
            .with_state(gateway);
        self.serve(&service, router).await
    }
}

#[derive(Clone)]
struct Leaf {
    service: Service,
    database: Caller,
}

#[derive(Clone)]
struct Payments {
    service: Service,
    acquirer: Caller,
}

#[derive(Clone)]
struct Cart {
    service: Service,
    inventory: Caller,
    database: Caller,
}

#[derive(Clone)]
struct Checkout {
    service: Service,
    inventory: Caller,
    payments: Caller,
    database: Caller,
    orders: Orders,
}

#[derive(Clone)]
struct Gateway {
    service: Service,
    catalog: Caller,
    cart: Caller,
    checkout: Caller,
}

/// One call; its failure is the answer.
async fn via(caller: &Caller, serving: &Serving, method: Method, path: &str) -> Result<(), Response> {
    caller.call(serving, method, path).await.map(drop).map_err(|failed| failed.into_response(caller.callee()))
}

async fn read(State(leaf): State<Leaf>, Extension(serving): Extension<Serving>) -> Result<&'static str, Response> {
    leaf.service.work().await?;
    via(&leaf.database, &serving, Method::GET, "/rows").await?;
    Ok("ok\n")
}

async fn charge(
    State(payments): State<Payments>,
    Extension(serving): Extension<Serving>,
) -> Result<&'static str, Response> {
    payments.service.work().await?;
    via(&payments.acquirer, &serving, Method::POST, "/authorize").await?;
    Ok("charged\n")
}

async fn add_line(State(cart): State<Cart>, Extension(serving): Extension<Serving>) -> Result<&'static str, Response> {
    cart.service.work().await?;
    via(&cart.inventory, &serving, Method::POST, "/stock").await?;
    via(&cart.database, &serving, Method::POST, "/lines").await?;
    Ok("added\n")
}

async fn order(State(checkout): State<Checkout>, Extension(serving): Extension<Serving>) -> Result<Response, Response> {
    checkout.service.work().await?;
    via(&checkout.inventory, &serving, Method::POST, "/stock").await?;
    via(&checkout.payments, &serving, Method::POST, "/charge").await?;
    via(&checkout.database, &serving, Method::POST, "/orders").await?;
    if !checkout.orders.publish(&checkout.service, &serving) {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "the queue of orders is full\n").into_response());
    }
    Ok((StatusCode::CREATED, "ordered\n").into_response())
}

async fn products(
    State(gateway): State<Gateway>,
    Extension(serving): Extension<Serving>,
) -> Result<&'static str, Response> {
    gateway.service.work().await?;
    via(&gateway.catalog, &serving, Method::GET, "/items").await?;
    Ok("products\n")
}

async fn put_in_cart(
    State(gateway): State<Gateway>,
    Extension(serving): Extension<Serving>,
) -> Result<&'static str, Response> {
    gateway.service.work().await?;
    via(&gateway.cart, &serving, Method::POST, "/lines").await?;
    Ok("added\n")
}

async fn check_out(
    State(gateway): State<Gateway>,
    Extension(serving): Extension<Serving>,
) -> Result<&'static str, Response> {
    gateway.service.work().await?;
    via(&gateway.checkout, &serving, Method::POST, "/orders").await?;
    Ok("ordered\n")
}
