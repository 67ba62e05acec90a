//! Whom the server asks how they are, with what they said last.

use crate::markup::{IntoMarkup as _, Markup, view};
use leptos::prelude::*;
use spillway_api::{HealthStatus, Target, TargetList, TargetOrigin};
use web_sys::SubmitEvent;

use super::states;
use crate::state::{Targets, clock};

/// The formats, by the words of the API.
const FORMATS: [&str; 11] = [
    "http",
    "actuator",
    "prometheus",
    "envoy",
    "hystrix",
    "grpc",
    "tcp",
    "health_json",
    "microprofile",
    "dotnet",
    "consul",
];

/// The list, and a form to add one.
pub fn target_table(targets: Targets) -> Markup {
    let [service, url] = [(); 2].map(|()| RwSignal::new(String::new()));
    let format = RwSignal::new(FORMATS[0].to_owned());
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        targets.add(service.get_untracked(), url.get_untracked(), format.get_untracked());
    };
    let field = |label: &'static str, hint: &'static str, text: RwSignal<String>| {
        view! {
            <label class="field"><span class="field__label">{label}</span>
                <input required placeholder=hint data-testid=format!("target-{label}") on:input:target=move |event| text.set(event.target().value()) />
            </label>
        }
    };
    let options = FORMATS.map(|word| view! { <option value=word>{word}</option> }).into_iter().collect::<Vec<_>>();
    let failure = move || {
        targets.failure.get().map(|failure| view! { <p class="problem" role="alert">{failure.to_string()}</p> })
    };
    let list = states::loaded(targets.list, 3, move |list: TargetList| table(&list, targets));
    view! {
        {failure.into_markup()}
        <form class="targets" on:submit=submit>
            {field("service", "payments", service)}
            {field("url", "http://payments:8080/health", url)}
            <label class="field"><span class="field__label">"format"</span>
                <select on:change:target=move |event| format.set(event.target().value())>{options}</select>
            </label>
            <button type="submit" class="button" data-testid="add-target" disabled=move || targets.busy.get()>"Ask it"</button>
        </form>
        {list}
    }
}

fn table(list: &TargetList, targets: Targets) -> Markup {
    let problems = list.problems.iter().map(|why| view! { <p class="problem">{why.clone()}</p> }).collect::<Vec<_>>();
    let rows = list.targets.iter().map(|target| row(target, targets)).collect::<Vec<_>>();
    view! {
        {problems}
        <div class="table-scroll">
            <table class="table targets__table" data-testid="targets"><tbody>{rows}</tbody></table>
        </div>
    }
}

fn row(target: &Target, targets: Targets) -> Markup {
    let (mut state, mut said, mut at) = (None, "not asked yet".to_owned(), String::new());
    // With many addresses the one that says most: those that are not well have a reason.
    if let Some(check) = target.checks.iter().max_by_key(|check| (check.health, !check.detail.is_empty())) {
        let word = match check.health {
            Some(HealthStatus::Up) => "up",
            Some(HealthStatus::Degraded) => "degraded",
            Some(HealthStatus::Down) => "down",
            None => "",
        };
        state = (check.health != Some(HealthStatus::Up) && !check.detail.is_empty()).then_some("degraded");
        let readings = (check.readings > 0).then(|| format!("{} breakers and limiters", check.readings));
        let parts = [word.to_owned(), check.detail.clone(), readings.unwrap_or_default()];
        said = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        at = clock::when(check.at);
    }
    let id = target.id.clone();
    let label = format!("Remove {}", target.spec.url);
    let remove = (target.origin == TargetOrigin::Api).then(|| {
        view! { <button type="button" class="button" aria-label=label disabled=move || targets.busy.get() on:click=move |_| targets.remove(&id)>"Remove"</button> }
    });
    view! {
        <tr data-target=target.id.clone()>
            <th scope="row">{target.spec.service.clone()}</th>
            <td><code>{target.spec.url.clone()}</code></td>
            <td class="pins__note" data-state=state>{said}</td>
            <td class="num">{at}</td>
            <td class="num">{remove}</td>
        </tr>
    }
}
