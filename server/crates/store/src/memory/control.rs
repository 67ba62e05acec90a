//! Plugins and decisions in the oracle.

use super::MemoryStore;
use crate::{
    AuditEntry, ControlStore, DecisionLog, DecisionQuery, DecisionRow, InsertedPlugin, PluginRow, PluginSetting,
    RuleMode, StoreError, TickRow,
};

impl ControlStore for MemoryStore {
    async fn insert_plugin(
        &self,
        row: &PluginRow,
        wasm: &[u8],
        audit: &AuditEntry,
    ) -> Result<InsertedPlugin, StoreError> {
        let mut state = self.state();
        if state.plugins.iter().any(|(known, _)| known.id == row.id) {
            return Ok(InsertedPlugin::Known);
        }
        state.plugins.push((row.clone(), wasm.to_vec()));
        state.audit.push(audit.clone());
        Ok(InsertedPlugin::New)
    }

    async fn plugins(&self) -> Result<Vec<PluginRow>, StoreError> {
        let mut rows: Vec<PluginRow> = self.state().plugins.iter().map(|(row, _)| row.clone()).collect();
        rows.sort_by(|a, b| (&a.name, a.uploaded_at_ns, &a.id).cmp(&(&b.name, b.uploaded_at_ns, &b.id)));
        Ok(rows)
    }

    async fn plugin_wasm(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().plugins.iter().find(|(row, _)| row.id == id).map(|(_, wasm)| wasm.clone()))
    }

    async fn builtin_settings(&self) -> Result<Vec<(String, PluginSetting)>, StoreError> {
        Ok(self.state().builtin.clone().into_iter().collect())
    }

    async fn set_plugin(
        &self,
        id: &str,
        setting: &PluginSetting,
        audit: &AuditEntry,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let mut state = self.state();
        let state = &mut *state;
        let mut retired = Vec::new();
        if id.starts_with("builtin:") {
            state.builtin.insert(id.to_owned(), setting.clone());
        } else {
            let Some(row) = state.plugins.iter_mut().map(|(row, _)| row).find(|row| row.id == id) else {
                return Ok(None);
            };
            row.setting = setting.clone();
            let name = row.name.clone();
            let others = state.plugins.iter_mut().map(|(row, _)| row).filter(|row| row.name == name && row.id != id);
            for other in others.filter(|row| setting.mode == RuleMode::Active && row.setting.mode == RuleMode::Active) {
                other.setting.mode = RuleMode::Off;
                retired.push(other.id.clone());
            }
            retired.sort();
        }
        state.audit.push(audit.clone());
        Ok(Some(retired))
    }

    async fn delete_plugin(&self, id: &str, audit: &AuditEntry) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(place) = state.plugins.iter().position(|(row, _)| row.id == id) else { return Ok(false) };
        if state.plugins[place].0.setting.mode != RuleMode::Off {
            return Err(StoreError::Conflict(format!("plugin {id} is in use: set it to off before deleting it")));
        }
        state.plugins.remove(place);
        state.kv.remove(id);
        state.audit.push(audit.clone());
        Ok(true)
    }

    async fn plugin_kv(&self, id: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(self.state().kv.get(id).cloned().unwrap_or_default().into_iter().collect())
    }

    async fn set_plugin_kv(&self, id: &str, kv: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.state().kv.insert(id.to_owned(), kv.iter().cloned().collect());
        Ok(())
    }

    async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        Ok(self.state().audit.iter().rev().take(limit as usize).cloned().collect())
    }
}

impl DecisionLog for MemoryStore {
    async fn record(&self, ticks: &[TickRow], decisions: &[DecisionRow]) -> Result<(), StoreError> {
        let mut state = self.state();
        for tick in ticks {
            state.ticks.insert((tick.plugin_id.clone(), tick.at_ns, tick.tick), tick.clone());
        }
        for row in decisions {
            state.decisions.insert(row.id.clone(), row.clone());
        }
        Ok(())
    }

    async fn decisions(&self, query: &DecisionQuery) -> Result<Vec<DecisionRow>, StoreError> {
        let before = query.before.clone();
        let mut rows: Vec<DecisionRow> = self.state().decisions.values().cloned().collect();
        rows.retain(|row| query.service.as_ref().is_none_or(|service| *service == row.service));
        rows.retain(|row| before.as_ref().is_none_or(|(began, id)| (row.began_at_ns, &row.id) < (*began, id)));
        rows.sort_by(|a, b| (b.began_at_ns, &b.id).cmp(&(a.began_at_ns, &a.id)));
        rows.truncate(query.limit.clamp(1, 1_000) as usize);
        Ok(rows)
    }

    async fn decision(&self, id: &str) -> Result<Option<DecisionRow>, StoreError> {
        Ok(self.state().decisions.get(id).cloned())
    }

    async fn ticks(&self, plugin_id: &str, from_ns: i64, to_ns: i64, limit: u32) -> Result<Vec<TickRow>, StoreError> {
        let state = self.state();
        let rows = state.ticks.values().filter(|row| row.plugin_id == plugin_id);
        Ok(rows.filter(|row| (from_ns..to_ns).contains(&row.at_ns)).take(limit as usize).cloned().collect())
    }
}
