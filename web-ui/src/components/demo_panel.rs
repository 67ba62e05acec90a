//! Switches of the demo system: make a dependency sick, raise the load, and see what happens.

use crate::markup::{IntoMarkup as _, Markup, view};
use leptos::{prelude::*, task::spawn_local};
use spillway_api::{DemoDependency, DemoFault, DemoState, DemoSwitch};
use spillway_view::{format, words};

use super::{
    panel::{panel, section},
    segmented::{Choice, segmented},
    states,
};
use crate::{
    api,
    state::{Every, Remote, load},
};

const FAULTS: [(DemoFault, &str); 4] =
    [(DemoFault::None, "well"), (DemoFault::Slow, "slow"), (DemoFault::Failing, "failing"), (DemoFault::Dead, "dead")];
const LOADS: [(&str, &str, f64); 4] = [("0", "none", 0.0), ("1", "1×", 1.0), ("3", "3×", 3.0), ("10", "10×", 10.0)];

/// The panel.
pub fn demo_panel() -> Markup {
    let state = load::<DemoState>(|| Some(api::DEMO.to_owned()), Every::Seconds(3));
    let refused = RwSignal::new(None::<String>);
    let busy = RwSignal::new(false);
    let switch = Callback::new(move |change: DemoSwitch| {
        busy.set(true);
        spawn_local(async move {
            match api::put::<DemoState>(api::DEMO, &change).await {
                Ok(new) => {
                    refused.try_set(None);
                    state.remote.try_set(Remote::Ready(new));
                }
                Err(failure) => {
                    refused.try_set(Some(failure.to_string()));
                }
            }
            busy.try_set(false);
        });
    });
    // Keyed by what can be switched, so that a press is not lost under a refresh of the counters.
    let services = Memo::new(move |_| {
        state.remote.with(|remote| {
            remote
                .value()
                .map(|state| state.dependencies.iter().map(|dependency| dependency.service.clone()).collect::<Vec<_>>())
        })
    });
    let load_now = Signal::derive(move || {
        state.remote.with(|remote| remote.value().map(|state| format::significant(state.load)).unwrap_or_default())
    });
    let body = move || match services.get() {
        None => state.remote.with(|remote| match remote {
            Remote::Failed(failure) => states::failed(failure, move || state.reload()),
            _ => states::skeleton(4),
        }),
        Some(services) => {
            let switches = services
                .into_iter()
                .map(|service| {
                    let of = service.clone();
                    let now = Signal::derive(move || {
                        let fault = state.remote.with(|remote| {
                            remote.value().and_then(|state| {
                                state
                                    .dependencies
                                    .iter()
                                    .find(|dependency| dependency.service == of)
                                    .map(|dependency| dependency.fault)
                            })
                        });
                        words::fault(fault.unwrap_or_default()).to_owned()
                    });
                    let target = service.clone();
                    let choose = Callback::new(move |token: &'static str| {
                        if let Some((fault, _)) = FAULTS.iter().find(|(fault, _)| words::fault(*fault) == token) {
                            switch.run(DemoSwitch {
                                load: None,
                                dependencies: vec![DemoDependency { service: target.clone(), fault: *fault }],
                            });
                        }
                    });
                    let choices =
                        FAULTS.iter().map(|(fault, label)| Choice { token: words::fault(*fault), label }).collect();
                    view! {
                        <div class="demo__row" data-demo=service.clone()>
                            <span class="demo__name">{service.clone()}</span>
                            {segmented(format!("Fault of {service}"), choices, now, choose, Some(busy))}
                        </div>
                    }
                })
                .collect::<Vec<_>>();
            let load_choices = LOADS.iter().map(|(token, label, _)| Choice { token, label }).collect();
            let choose_load = Callback::new(move |token: &'static str| {
                if let Some((_, _, load)) = LOADS.iter().find(|(of, _, _)| *of == token) {
                    switch.run(DemoSwitch { load: Some(*load), dependencies: Vec::new() });
                }
            });
            view! {
                {section("Load", view! {
                    <div class="demo__row" data-demo="load">
                        <span class="demo__name">"requests"</span>
                        {segmented("Load".to_owned(), load_choices, load_now, choose_load, Some(busy))}
                    </div>
                })}
                {section("Make one sick", switches.into_markup())}
                {section("Since the start", move_counters(state.remote))}
            }
        }
    };
    let problem = move || refused.get().map(|words| view! { <p class="problem" role="alert">{words}</p> });
    let about = view! {
        <p class="panel__facts">"The shop is a set of real services in another process. What you switch here really happens to them."</p>
        {problem}
        {body}
    };
    let head = view! { <h2 class="panel__name">"Demo switches"</h2> };
    panel("Demo switches", head, about)
}

fn move_counters(state: RwSignal<Remote<DemoState>>) -> Markup {
    let of = move |read: fn(&DemoState) -> String| state.with(|remote| remote.value().map(read));
    let share = |state: &DemoState| {
        format::percent((state.checkouts > 0).then(|| state.checkouts_ok as f64 / state.checkouts as f64))
    };
    view! {
        <dl class="facts">
            <dt>"requests offered"</dt><dd>{move || of(|state| format::count(state.offered))}</dd>
            <dt>"checkouts tried"</dt><dd>{move || of(|state| format::count(state.checkouts))}</dd>
            <dt>"of these went well"</dt><dd>{move || of(share)}</dd>
            <dt>"p99 of a checkout, last 15 s"</dt><dd>{move || of(|state| format::millis(state.checkout_p99_ms))}</dd>
        </dl>
    }
}
