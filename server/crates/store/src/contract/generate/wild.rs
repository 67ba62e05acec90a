//! Batches of everything that a sender may make.

use proptest::prelude::*;
use spillway_model::{
    batch::{EventRow, LinkRow, Run, Scope, SpanBatch, SpanBatchBuilder, SpanKind, SpanRow, SpanStatus, StrId, Value},
    identity::{SpanId, TraceId},
};

use super::{Dice, EPOCH_NS};

/// A batch of anything that a sender may make, extremes included: for encodings that must lose nothing.
pub fn wild_batch(spans: usize) -> impl Strategy<Value = SpanBatch> {
    (any::<u64>(), 0..=spans, 1u64..6).prop_map(|(seed, spans, variety)| wild(seed, spans, variety))
}

/// Everything that hangs on an owner, drawn at random; a small `variety` makes neighbours alike.
struct Wild {
    dice: Dice,
    variety: u64,
    builder: SpanBatchBuilder,
}

impl Wild {
    fn text(&mut self) -> StrId {
        let text = match self.dice.below(6) {
            0 => String::new(),
            1 => format!("unique {}", self.dice.bits()),
            2 => "é\0\u{1F600}".repeat(self.dice.below(4) as usize),
            _ => format!("text {}", self.dice.below(self.variety)),
        };
        self.builder.intern(&text)
    }

    fn number(&mut self) -> u32 {
        match self.dice.below(8) {
            0 => self.dice.bits() as u32,
            1 => self.dice.below(300) as u32,
            _ => 0,
        }
    }

    fn bytes(&mut self) -> Run {
        let bytes: Vec<u8> = (0..self.dice.below(6)).map(|_| self.dice.bits() as u8).collect();
        self.builder.bytes(&bytes)
    }

    fn value(&mut self, kind: u64) -> Value {
        match kind {
            0 => Value::Empty,
            1 => Value::Bool(self.dice.below(2) == 0),
            2 => Value::Int(self.dice.bits() as i64),
            3 => Value::Int(self.dice.below(5) as i64 * 100),
            4 => Value::Int(1_000_000 + self.dice.below(50) as i64),
            5 => Value::Double(f64::from_bits(self.dice.bits())),
            6 => Value::Bytes(self.bytes()),
            7 => Value::Array(self.bytes()),
            8 => Value::Map(self.bytes()),
            _ => Value::Str(self.text()),
        }
    }

    /// The keys, and mostly the type of a key's values, follow from the shape; now and then a key comes twice.
    fn attributes(&mut self) -> Run {
        let start = self.builder.attribute_count();
        let shape = self.dice.below(self.variety);
        for key in 0..shape * 2 {
            let kind = if self.dice.below(10) == 0 { self.dice.below(12) } else { (key + shape) % 12 };
            let name = self.builder.intern(&format!("key.{}", if self.dice.below(20) == 0 { 0 } else { key }));
            let value = self.value(kind);
            self.builder.attribute(name, value);
        }
        self.builder.attributes_since(start)
    }

    fn time(&mut self) -> u64 {
        match self.dice.below(12) {
            0 => self.dice.bits(),
            1 => 0,
            2 => u64::MAX,
            _ => EPOCH_NS + self.dice.below(1_000_000_000),
        }
    }

    fn trace(&mut self) -> TraceId {
        let number = self.dice.below(self.variety * 3);
        TraceId(std::array::from_fn(|place| (number * place as u64) as u8))
    }

    /// Of a few, so that parents are often rows, and some ids come twice.
    fn span_id(&mut self) -> SpanId {
        if self.dice.below(4) == 0 { SpanId::NONE } else { SpanId(self.dice.below(40).to_le_bytes()) }
    }

    fn events(&mut self) -> Run {
        let start = self.builder.event_count();
        for _ in 0..self.dice.below(6).saturating_sub(3) {
            let row = EventRow {
                at_ns: self.time(),
                name: self.text(),
                attributes: self.attributes(),
                dropped_attributes: self.number(),
            };
            self.builder.event(row);
        }
        Run { start, len: self.builder.event_count() - start }
    }

    fn links(&mut self) -> Run {
        let start = self.builder.link_count();
        for _ in 0..self.dice.below(6).saturating_sub(4) {
            let row = LinkRow {
                trace_id: self.trace(),
                span_id: self.span_id(),
                trace_state: self.text(),
                flags: self.number(),
                attributes: self.attributes(),
                dropped_attributes: self.number(),
            };
            self.builder.link(row);
        }
        Run { start, len: self.builder.link_count() - start }
    }
}

fn wild(seed: u64, spans: usize, variety: u64) -> SpanBatch {
    let mut wild = Wild { dice: Dice::new(seed), variety, builder: SpanBatchBuilder::new() };
    let mut scopes = 0;
    for _ in 0..1 + wild.dice.below(variety) {
        let (attributes, dropped, schema) = (wild.attributes(), wild.number(), wild.text());
        let resource = wild.builder.resource(attributes, dropped, schema);
        for _ in 0..1 + wild.dice.below(3) {
            let row = Scope {
                resource,
                name: wild.text(),
                version: wild.text(),
                attributes: wild.attributes(),
                dropped_attributes: wild.number(),
                schema_url: wild.text(),
            };
            wild.builder.scope(row);
            scopes += 1;
        }
    }
    // Some batches have times in whole micro- or milliseconds.
    let unit = [1, 1, 1_000, 1_000_000][wild.dice.below(4) as usize];
    for _ in 0..spans {
        let row = SpanRow {
            scope: wild.dice.below(scopes) as u32,
            trace_id: wild.trace(),
            span_id: wild.span_id(),
            parent_id: wild.span_id(),
            trace_state: wild.text(),
            flags: wild.number(),
            name: wild.text(),
            kind: SpanKind::from_number(wild.dice.below(6)),
            start_ns: wild.time() / unit * unit,
            end_ns: wild.time() / unit * unit,
            status: SpanStatus::from_number(wild.dice.below(3)),
            status_message: wild.text(),
            attributes: wild.attributes(),
            dropped_attributes: wild.number(),
            events: wild.events(),
            dropped_events: wild.number(),
            links: wild.links(),
            dropped_links: wild.number(),
        };
        wild.builder.span(&row);
    }
    wild.builder.finish()
}
