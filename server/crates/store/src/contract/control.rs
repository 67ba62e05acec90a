//! Plugins, decisions, ticks and the audit log.

use std::sync::Arc;

use proptest::prelude::*;
use spillway_model::event::Event;

use super::{Engine, check, generate};
use crate::{
    AuditEntry, ControlStore, DecisionLog, DecisionQuery, DecisionRow, EventLog, EventQuery, InsertedPlugin, PluginRow,
    PluginSetting, Retention, RuleMode, StoreError, TickRow, Write, Writer,
};

fn plugin(id: &str, name: &str, uploaded_at_ns: i64) -> PluginRow {
    PluginRow {
        id: id.into(),
        name: name.into(),
        version: "1.0".into(),
        description: "sheds".into(),
        config_schema: "{}".into(),
        tick_ms: 1_000,
        size_bytes: 3,
        uploaded_at_ns,
        setting: PluginSetting::default(),
    }
}

fn audit(action: &str, object: &str) -> AuditEntry {
    AuditEntry { at_ns: 7, actor: "admin".into(), action: action.into(), object: object.into(), detail: "why".into() }
}

fn setting(mode: RuleMode) -> PluginSetting {
    PluginSetting { mode, config: "{\"a\":1}".into(), demoted: mode == RuleMode::Shadow }
}

async fn upload(store: &impl ControlStore, row: &PluginRow) -> InsertedPlugin {
    store.insert_plugin(row, &[0, 97, 115], &audit("plugin.upload", &row.id)).await.expect("an upload is stored")
}

async fn audited(store: &impl ControlStore) -> Vec<String> {
    let entries = store.audit(100).await.expect("the audit log is read");
    entries.into_iter().map(|entry| format!("{} {}", entry.action, entry.object)).collect()
}

/// The same bytes again change nothing and leave no second entry; everything is there after a restart.
pub fn an_upload_is_stored_once<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, writer) = engine.open().await;
        let (b, a) = (plugin("b1", "beta", 1), plugin("a1", "alpha", 2));
        assert_eq!(upload(&store, &b).await, InsertedPlugin::New);
        assert_eq!(upload(&store, &a).await, InsertedPlugin::New);
        assert_eq!(upload(&store, &plugin("b1", "other", 3)).await, InsertedPlugin::Known);

        let (store, _writer) = engine.restart(store, writer).await;

        assert_eq!(store.plugins().await.expect("plugins are listed"), [a, b]);
        assert_eq!(store.plugin_wasm("a1").await.expect("bytes are read"), Some(vec![0, 97, 115]));
        assert_eq!(store.plugin_wasm("none").await.expect("bytes are read"), None);
        assert_eq!(audited(&store).await, ["plugin.upload a1", "plugin.upload b1"]);
        assert_eq!(store.audit(1).await.expect("the audit log is read"), [audit("plugin.upload", "a1")]);
    });
}

/// Activating one turns the others of its name off, and no others.
pub fn one_version_of_a_name_is_active<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, _writer) = engine.open().await;
        for (id, name) in [("a1", "alpha"), ("a2", "alpha"), ("a3", "alpha"), ("b1", "beta")] {
            upload(&store, &plugin(id, name, 1)).await;
        }
        let set = async |id: &str, mode| {
            store.set_plugin(id, &setting(mode), &audit("plugin.mode", id)).await.expect("a mode is set")
        };
        assert_eq!(set("b1", RuleMode::Active).await, Some(vec![]));
        assert_eq!(set("a1", RuleMode::Active).await, Some(vec![]));
        assert_eq!(set("a3", RuleMode::Shadow).await, Some(vec![]));
        assert_eq!(set("a2", RuleMode::Active).await, Some(vec!["a1".to_owned()]));
        assert_eq!(set("none", RuleMode::Active).await, None);
        assert_eq!(set("builtin:queue", RuleMode::Active).await, Some(vec![]));
        assert_eq!(set("builtin:queue", RuleMode::Shadow).await, Some(vec![]));

        let rows = store.plugins().await.expect("plugins are listed");
        let modes: Vec<_> = rows.iter().map(|row| (row.id.as_str(), row.setting.mode)).collect();
        let expected =
            [("a1", RuleMode::Off), ("a2", RuleMode::Active), ("a3", RuleMode::Shadow), ("b1", RuleMode::Active)];
        assert_eq!(modes, expected);
        assert_eq!(rows[2].setting, setting(RuleMode::Shadow));
        let builtin = store.builtin_settings().await.expect("settings are listed");
        assert_eq!(builtin, [("builtin:queue".to_owned(), setting(RuleMode::Shadow))]);
        assert_eq!(audited(&store).await.len(), 4 + 6, "what changed nothing is not in the log");
    });
}

/// And then it is gone with all that it kept.
pub fn only_what_is_off_can_be_deleted<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, _writer) = engine.open().await;
        upload(&store, &plugin("a1", "alpha", 1)).await;
        store.set_plugin_kv("a1", &[("k".into(), vec![1])]).await.expect("values are stored");
        let delete = async |id: &str| store.delete_plugin(id, &audit("plugin.delete", id)).await;

        store.set_plugin("a1", &setting(RuleMode::Shadow), &audit("plugin.mode", "a1")).await.expect("a mode is set");
        let refused = delete("a1").await;
        assert!(matches!(&refused, Err(StoreError::Conflict(text)) if text.contains("a1")), "{refused:?}");
        store.set_plugin("a1", &setting(RuleMode::Off), &audit("plugin.mode", "a1")).await.expect("a mode is set");
        assert!(delete("a1").await.expect("it is off"));
        assert!(!delete("a1").await.expect("it is gone"));

        assert_eq!(store.plugins().await.expect("plugins are listed"), []);
        assert_eq!(store.plugin_wasm("a1").await.expect("bytes are read"), None);
        assert_eq!(store.plugin_kv("a1").await.expect("values are read"), []);
        assert_eq!(audited(&store).await[0], "plugin.delete a1");
    });
}

/// Replaced as a whole, apart from those of others.
pub fn a_plugin_keeps_its_values<E: Engine>(make: &impl Fn() -> E) {
    let values = || prop::collection::btree_map("[a-c]{0,2}", prop::collection::vec(any::<u8>(), 0..4), 0..4);
    check(8, (values(), values(), values()), async |(first, second, other)| {
        let [first, second, other]: [Vec<(String, Vec<u8>)>; 3] = [first, second, other].map(Vec::from_iter);
        let engine = make();
        let (store, writer) = engine.open().await;
        for (id, kv) in [("builtin:x", &other), ("a1", &first), ("a1", &second)] {
            store.set_plugin_kv(id, kv).await.expect("values are stored");
        }

        let (store, _writer) = engine.restart(store, writer).await;

        assert_eq!(store.plugin_kv("a1").await.expect("values are read"), second);
        assert_eq!(store.plugin_kv("builtin:x").await.expect("values are read"), other);
    });
}

fn decision(number: i64) -> DecisionRow {
    DecisionRow {
        id: format!("d{number:03}"),
        // Some begin together, so that the id decides.
        began_at_ns: number / 3,
        renewed_at_ns: number,
        ended: number % 2 == 0,
        service: ["cart", "checkout"][number as usize % 2].into(),
        body: vec![number as u8],
    }
}

/// A row replaces the one before; pages do not overlap.
pub fn decisions_are_paged_newest_first<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, writer) = engine.open().await;
        let rows: Vec<DecisionRow> = (0..20).map(decision).collect();
        store.record(&[], &rows).await.expect("decisions are recorded");
        let renewed = DecisionRow { renewed_at_ns: 99, ended: true, body: vec![1, 2], ..decision(7) };
        store.record(&[], std::slice::from_ref(&renewed)).await.expect("a decision is renewed");
        let (store, _writer) = engine.restart(store, writer).await;

        for service in [None, Some("cart".to_owned())] {
            let mut expected: Vec<DecisionRow> = rows
                .iter()
                .filter(|row| service.as_ref().is_none_or(|service| *service == row.service))
                .cloned()
                .collect();
            expected.iter_mut().filter(|row| row.id == renewed.id).for_each(|row| *row = renewed.clone());
            expected.sort_by(|a, b| (b.began_at_ns, &b.id).cmp(&(a.began_at_ns, &a.id)));
            let mut found = Vec::new();
            let mut before = None;
            loop {
                let page = store
                    .decisions(&DecisionQuery { service: service.clone(), before, limit: 3 })
                    .await
                    .expect("decisions are listed");
                let Some(last) = page.last() else { break };
                assert!(page.len() <= 3);
                before = Some((last.began_at_ns, last.id.clone()));
                found.extend(page);
            }
            assert_eq!(found, expected);
        }
        assert_eq!(store.decision("d007").await.expect("a decision is read"), Some(renewed));
        assert_eq!(store.decision("none").await.expect("a decision is read"), None);
    });
}

/// Of one rule, from a time on and before another.
pub fn ticks_are_read_in_order<E: Engine>(make: &impl Fn() -> E) {
    check(1, Just(()), async |()| {
        let engine = make();
        let (store, _writer) = engine.open().await;
        let tick = |plugin: &str, tick: u64| TickRow {
            plugin_id: plugin.into(),
            tick,
            at_ns: tick as i64 * 10,
            body: vec![tick as u8; 3],
        };
        for number in (0..10).rev() {
            store.record(&[tick("a", number), tick("b", number)], &[]).await.expect("ticks are recorded");
        }
        store.record(&[tick("a", 3)], &[]).await.expect("a tick may come again");

        let found = store.ticks("a", 20, 70, 4).await.expect("ticks are read");

        assert_eq!(found, [2, 3, 4, 5].map(|number| tick("a", number)));
        assert_eq!(store.ticks("a", 60, 70, 4).await.expect("ticks are read"), [tick("a", 6)]);
    });
}

/// Events by arrival, decisions by their last renewal, ticks by their time; what is newer stays.
pub fn history_is_forgotten_by_age<E: Engine>(make: &impl Fn() -> E) {
    check(2, prop::collection::vec(generate::event(), 20), async |events| {
        let engine = make();
        let (store, mut writer) = engine.open().await;
        for (number, event) in events.iter().enumerate() {
            let event = Event { id: Arc::from(format!("e{number}")), ..event.clone() };
            let write =
                Write::Events { source: Arc::from("a"), events: Arc::from([event]), received_at_ns: number as i64 };
            assert!(writer.commit(&[write]).await.remove(0).is_ok());
        }
        let rows: Vec<DecisionRow> = (0..20).map(decision).collect();
        let ticks: Vec<TickRow> =
            (0..20).map(|tick| TickRow { plugin_id: "a".into(), tick, at_ns: tick as i64, body: vec![] }).collect();
        store.record(&ticks, &rows).await.expect("decisions are recorded");

        let report = store.expire(0, 12).await.expect("old things are deleted");

        assert!(report.rows >= 36, "{report:?}");
        let kept = store.events(&EventQuery { limit: 100, ..EventQuery::default() }).await.expect("events are listed");
        assert_eq!(
            kept.events.iter().map(|event| event.received_at_ns).collect::<Vec<_>>(),
            (12..20).rev().collect::<Vec<_>>()
        );
        let kept = store
            .decisions(&DecisionQuery { limit: 100, ..DecisionQuery::default() })
            .await
            .expect("decisions are listed");
        assert_eq!(kept.len(), 8);
        assert_eq!(store.ticks("a", 0, 100, 100).await.expect("ticks are read"), ticks[12..]);
    });
}
