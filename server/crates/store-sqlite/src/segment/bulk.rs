//! Many short rows of one table: a statement is a trip to the driver's thread and back, which costs more than to insert a row.

use sqlx::SqliteConnection;

/// Rows a statement.
const ROWS: usize = 16;

/// An insert of one row of three columns, and the same of [`ROWS`] rows.
#[derive(Clone, Copy)]
pub(crate) struct Insert {
    one: &'static str,
    many: &'static str,
}

macro_rules! insert {
    ($table:literal) => {
        Insert {
            one: concat!("INSERT INTO ", $table, " VALUES (?, ?, ?)"),
            many: concat!(
                "INSERT INTO ",
                $table,
                " VALUES (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?),",
                " (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?), (?, ?, ?)"
            ),
        }
    };
}

pub(crate) const FILTER_SLOTS: Insert = insert!("filter_slot (first_block, slot, bits)");
pub(crate) const TRACE_PAGES: Insert = insert!("trace_page (run, first_hash, entries)");

/// Inserts rows that have the first column in common.
pub(crate) async fn insert<'r>(
    connection: &mut SqliteConnection,
    insert: Insert,
    first: i64,
    rows: impl Iterator<Item = (i64, &'r [u8])>,
) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = rows.collect();
    let (many, rest) = rows.as_chunks::<ROWS>();
    for (statement, rows) in
        many.iter().map(|rows| (insert.many, rows.as_slice())).chain(rest.chunks(1).map(|row| (insert.one, row)))
    {
        let mut query = sqlx::query(statement);
        for (second, third) in rows {
            query = query.bind(first).bind(*second).bind(*third);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
