//! The frame of a block: magic, version, a directory of sections, the sections, a checksum.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use super::{
    BlockError, MAX_SECTION_BYTES,
    bytes::{Reader, put_varint},
};

pub(super) const MAGIC: [u8; 4] = *b"SPWB";
pub(super) const VERSION: u8 = 1;
const STORED: u8 = 0;
const ZSTD: u8 = 1;
/// Level 1: measured, higher levels gain under a tenth of the size for several times the time.
const LEVEL: i32 = 1;
/// Below this a zstd frame's own header costs more than it saves.
const SMALLEST_COMPRESSED: usize = 48;

/// What a section holds; the number is its place in the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Section {
    /// Text of names: services, operations, scopes.
    Names = 0,
    /// Resources, scopes and the columns a search looks at.
    Head = 1,
    /// Distinct trace ids, raw.
    Traces = 2,
    /// Span ids and those parents that are in no row, raw.
    SpanIds = 3,
    /// Parents, flags, tracestate, status messages, dropped counts.
    Detail = 4,
    /// All other text.
    Text = 5,
    /// Attributes of resources, scopes and spans.
    Attributes = 6,
    /// Events and links with their attributes.
    Events = 7,
}

pub(super) const SECTIONS: usize = 8;

impl Section {
    const ALL: [Self; SECTIONS] = [
        Self::Names,
        Self::Head,
        Self::Traces,
        Self::SpanIds,
        Self::Detail,
        Self::Text,
        Self::Attributes,
        Self::Events,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Head => "head",
            Self::Traces => "traces",
            Self::SpanIds => "span ids",
            Self::Detail => "detail",
            Self::Text => "text",
            Self::Attributes => "attributes",
            Self::Events => "events",
        }
    }

    /// Ids are random: trying to compress them only costs time.
    fn compressible(self) -> bool {
        !matches!(self, Self::Traces | Self::SpanIds)
    }
}

/// Compresses sections and puts the frame around them.
pub(super) struct Framer {
    zstd: Compressor<'static>,
}

impl Framer {
    pub(super) fn new() -> Self {
        let zstd = Compressor::new(LEVEL).expect("zstd knows level 1 and an empty dictionary");
        Self { zstd }
    }

    pub(super) fn frame(&mut self, spans: usize, sections: &[Vec<u8>; SECTIONS]) -> Result<Vec<u8>, BlockError> {
        let mut directory = Vec::with_capacity(64);
        let mut body: Vec<u8> = Vec::with_capacity(sections.iter().map(Vec::len).sum::<usize>() / 2);
        for (section, raw) in Section::ALL.into_iter().zip(sections) {
            if raw.len() > MAX_SECTION_BYTES {
                return Err(BlockError::TooLarge(section.name()));
            }
            let before = body.len();
            let mut codec = STORED;
            if section.compressible() && raw.len() >= SMALLEST_COMPRESSED {
                let packed = self.zstd.compress(raw).map_err(|_| BlockError::TooLarge(section.name()))?;
                if packed.len() < raw.len() {
                    body.extend_from_slice(&packed);
                    codec = ZSTD;
                }
            }
            if codec == STORED {
                body.extend_from_slice(raw);
            }
            directory.push(codec);
            put_varint(&mut directory, raw.len() as u64);
            put_varint(&mut directory, (body.len() - before) as u64);
        }
        let mut out = Vec::with_capacity(directory.len() + body.len() + 16);
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        put_varint(&mut out, spans as u64);
        put_varint(&mut out, SECTIONS as u64);
        out.extend_from_slice(&directory);
        out.extend_from_slice(&body);
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        Ok(out)
    }
}

#[derive(Clone, Copy, Default)]
struct Place {
    codec: u8,
    raw: usize,
    start: usize,
    end: usize,
}

thread_local! {
    /// Making one takes longer than unpacking a section with it.
    static UNPACKER: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("zstd knows an empty dictionary"));
}

/// The frame of a block, checked; its sections are unpacked one by one.
pub(super) struct Frame<'a> {
    bytes: &'a [u8],
    places: [Place; SECTIONS],
    pub(super) spans: usize,
}

impl<'a> Frame<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, BlockError> {
        let (content, checksum) = bytes.split_last_chunk::<4>().ok_or(BlockError::NotABlock)?;
        if !content.starts_with(&MAGIC) {
            return Err(BlockError::NotABlock);
        }
        let expected = u32::from_le_bytes(*checksum);
        let found = crc32fast::hash(content);
        if expected != found {
            return Err(BlockError::Checksum { expected, found });
        }
        let mut reader = Reader::new("directory", content);
        reader.take(MAGIC.len())?;
        let version = reader.byte()?;
        if version != VERSION {
            return Err(BlockError::Version(version));
        }
        let spans = reader.count()?;
        if reader.varint()? != SECTIONS as u64 {
            return Err(reader.invalid("another number of sections"));
        }
        let mut places = [Place::default(); SECTIONS];
        let mut stored = 0_usize;
        for (section, place) in Section::ALL.into_iter().zip(&mut places) {
            let codec = reader.byte()?;
            let (raw, length) = (reader.varint()?, reader.count()?);
            let raw = usize::try_from(raw)
                .ok()
                .filter(|raw| *raw <= MAX_SECTION_BYTES)
                .ok_or(BlockError::TooLarge(section.name()))?;
            if codec > ZSTD || (codec == STORED && raw != length) {
                return Err(reader.invalid("an unknown way to store a section"));
            }
            *place = Place { codec, raw, start: stored, end: stored + length };
            stored += length;
        }
        if stored != reader.remaining() {
            return Err(reader.invalid("sections that do not fill the block"));
        }
        Ok(Self { bytes: &content[reader.position()..], places, spans })
    }

    pub(super) fn sizes(&self) -> impl Iterator<Item = (&'static str, usize)> {
        Section::ALL.into_iter().zip(self.places).map(|(section, place)| (section.name(), place.end - place.start))
    }

    pub(super) fn section(&self, section: Section) -> Result<std::borrow::Cow<'a, [u8]>, BlockError> {
        let place = self.places[section as usize];
        let stored = &self.bytes[place.start..place.end];
        if place.codec == STORED {
            return Ok(stored.into());
        }
        let corrupt = |what| BlockError::Invalid { section: section.name(), what, at: 0 };
        let raw = UNPACKER
            .with_borrow_mut(|zstd| zstd.decompress(stored, place.raw))
            .map_err(|_| corrupt("a section that does not unpack"))?;
        if raw.len() != place.raw {
            return Err(corrupt("a section of another length"));
        }
        Ok(raw.into())
    }
}

/// A block with all sections stored as they are: what a test changes then reaches the decoder of the section.
#[cfg(test)]
pub(super) fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let frame = Frame::open(bytes).expect("a block that was just written");
    let mut out = [&MAGIC[..], &[VERSION]].concat();
    put_varint(&mut out, frame.spans as u64);
    put_varint(&mut out, SECTIONS as u64);
    let sections = Section::ALL.map(|section| frame.section(section).expect("a section that was just written"));
    for section in &sections {
        out.push(STORED);
        put_varint(&mut out, section.len() as u64);
        put_varint(&mut out, section.len() as u64);
    }
    sections.iter().for_each(|section| out.extend_from_slice(section));
    let checksum = crc32fast::hash(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}
