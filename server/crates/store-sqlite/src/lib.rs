//! The embedded engine: SQLite files of compressed span blocks.
