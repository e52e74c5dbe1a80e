//! Durable files and the record store: everything that must survive a kill or a power cut goes through here.
//!
//! Blocking IO. Knows nothing of what the records mean.

pub mod durable;
pub mod records;
pub mod space;
pub mod together;

pub use records::{ExportError, OpenOptions, Record, RecordStore, StoreError, Unit, Write, import, import_beginning};
pub use together::Together;
