//! Replaces text in a finished batch: what the redactor needs.

use super::{Resource, Run, SpanBatch, StrId, UNKNOWN_SERVICE, Value};

impl SpanBatch {
    /// Replaces the ids of all text but attribute values: keys, names, messages, trace states, URLs. Attribute values are public
    /// and replaced row by row, since what becomes of them depends on their key; so is the identity of resources, which follows
    /// from attributes ([`Self::identify_resources`]).
    pub fn rewrite_text(&mut self, replacement: impl Fn(StrId) -> StrId) {
        let rewrite = |id: &mut StrId| *id = replacement(*id);
        self.resources.iter_mut().for_each(|resource| rewrite(&mut resource.schema_url));
        for scope in &mut self.scopes {
            [&mut scope.name, &mut scope.version, &mut scope.schema_url].into_iter().for_each(rewrite);
        }
        let columns = &mut self.spans;
        columns.name.iter_mut().chain(&mut columns.trace_state).chain(&mut columns.status_message).for_each(rewrite);
        self.attribute_keys.iter_mut().for_each(rewrite);
        self.events.iter_mut().for_each(|event| rewrite(&mut event.name));
        self.links.iter_mut().for_each(|link| rewrite(&mut link.trace_state));
    }

    /// Shows the ids that [`Self::rewrite_text`] replaces, each as often as it stands there.
    pub fn visit_text(&self, mut visit: impl FnMut(StrId)) {
        self.resources.iter().for_each(|resource| visit(resource.schema_url));
        for scope in &self.scopes {
            [scope.name, scope.version, scope.schema_url].into_iter().for_each(&mut visit);
        }
        let columns = &self.spans;
        columns.name.iter().chain(&columns.trace_state).chain(&columns.status_message).for_each(|id| visit(*id));
        self.attribute_keys.iter().for_each(|id| visit(*id));
        self.events.iter().for_each(|event| visit(event.name));
        self.links.iter().for_each(|link| visit(link.trace_state));
    }

    /// Reads the identity of all resources from their attributes again, after these changed.
    pub fn identify_resources(&mut self) {
        for index in 0..self.resources.len() {
            let (mut resource, unknown) = self.identified(self.resources[index]);
            if let Some(name) = unknown {
                resource.service = self.append_str(&name);
            }
            self.resources[index] = resource;
        }
    }

    /// Overwrites text and bytes that no row refers to, so that what was replaced is not even in memory any more.
    pub fn scrub_unreferenced(&mut self) {
        let referenced = self.referenced_strings();
        let mut text = std::mem::take(&mut self.text).into_bytes();
        for (run, _) in self.strings.iter_mut().zip(referenced).filter(|(_, referenced)| !referenced) {
            text[run.range()].fill(b' ');
            *run = Run::default();
        }
        self.text = String::from_utf8(text).expect("whole strings were overwritten with spaces");

        let mut runs: Vec<Run> = self.resources.iter().map(|resource| resource.entity_refs).collect();
        runs.extend(self.attribute_values.iter().filter_map(|value| match value {
            Value::Bytes(run) | Value::Array(run) | Value::Map(run) => Some(*run),
            Value::Empty | Value::Str(_) | Value::Bool(_) | Value::Int(_) | Value::Double(_) => None,
        }));
        runs.sort_unstable_by_key(|run| run.start);
        let mut kept_until = 0;
        for run in runs {
            let Run { start, len } = run;
            if len > 0 {
                if let Some(gap) = self.bytes.get_mut(kept_until..start as usize) {
                    gap.fill(0);
                }
                kept_until = kept_until.max(run.range().end);
            }
        }
        if let Some(rest) = self.bytes.get_mut(kept_until..) {
            rest.fill(0);
        }
    }

    /// The resource with its identity as its attributes say, and the name of its service when they have none.
    pub(super) fn identified(&self, resource: Resource) -> (Resource, Option<String>) {
        let none = StrId::EMPTY;
        let mut found =
            Resource { service: none, namespace: none, environment: none, instance: none, version: none, ..resource };
        let (mut old_environment, mut executable) = (none, none);
        for row in resource.attributes.range() {
            let Value::Str(value) = self.attribute_values[row] else { continue };
            match self.str(self.attribute_keys[row]) {
                "service.name" => found.service = value,
                "service.namespace" => found.namespace = value,
                "service.instance.id" => found.instance = value,
                "service.version" => found.version = value,
                "deployment.environment.name" => found.environment = value,
                "deployment.environment" => old_environment = value,
                "process.executable.name" => executable = value,
                _ => {}
            }
        }
        if found.environment == none {
            found.environment = old_environment;
        }
        let unknown = (self.str(found.service).is_empty()).then(|| match self.str(executable) {
            "" => UNKNOWN_SERVICE.to_owned(),
            executable => format!("{UNKNOWN_SERVICE}:{executable}"),
        });
        (found, unknown)
    }
}

#[cfg(test)]
mod tests {
    use crate::batch::{SpanBatchBuilder, SpanRow, Value};

    #[test]
    fn a_resource_without_a_service_is_named_after_its_executable() {
        let mut builder = SpanBatchBuilder::new();
        let nameless = builder.resource(builder.attributes_since(0), 0, super::StrId::EMPTY);
        let start = builder.attribute_count();
        let (key, value) = (builder.intern("process.executable.name"), builder.intern("billing"));
        builder.attribute(key, Value::Str(value));
        let run = builder.attributes_since(start);
        let billing = builder.resource(run, 0, super::StrId::EMPTY);

        let batch = builder.finish();

        assert_eq!(batch.str(batch.resources[nameless as usize].service), "unknown_service");
        assert_eq!(batch.str(batch.resources[billing as usize].service), "unknown_service:billing");
    }

    #[test]
    fn scrubbing_removes_what_was_replaced_and_nothing_else() {
        let mut builder = SpanBatchBuilder::new();
        let (kept, secret) = (builder.intern("kept"), builder.intern("s3cr3t"));
        let (kept_bytes, secret_bytes) = (builder.bytes(b"bytes"), builder.bytes(b"s3cr3t"));
        builder.attribute(kept, Value::Bytes(kept_bytes));
        builder.attribute(kept, Value::Bytes(secret_bytes));
        builder.span(&SpanRow { name: secret, ..SpanRow::default() });
        let mut batch = builder.finish();

        batch.attribute_values[1] = Value::Empty;
        let mask = batch.append_str("[redacted]");
        batch.rewrite_text(|id| if id == secret { mask } else { id });
        batch.scrub_unreferenced();

        assert_eq!(batch.str(batch.spans.name[0]), "[redacted]");
        assert_eq!(batch.str(batch.attribute_keys[0]), "kept");
        assert_eq!(batch.bytes[kept_bytes.range()], *b"bytes");
        assert!(!batch.text.contains("s3cr3t"));
        assert!(!batch.bytes.windows(6).any(|window| window == b"s3cr3t"));
    }
}
