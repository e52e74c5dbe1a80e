//! Every limit on what others may send, in one place (DESIGN §5).

/// A frame between coordinator and host, length field excluded: 1 MiB.
pub const FRAME_MAX: usize = 1 << 20;
/// Bytes of an uploaded package: 8 GiB.
pub const UPLOAD_MAX: u64 = 8 << 30;
/// Bytes of a package unpacked: 16 GiB.
pub const UNPACKED_MAX: u64 = 16 << 30;
/// Unpacked bytes for each byte of input.
pub const UNPACKED_RATIO: u64 = 200;
/// Below this many bytes the ratio is not asked: small text compresses well.
pub const UNPACKED_RATIO_FROM: u64 = 16 << 20;
/// Bytes of an AppSpec: 1 MiB.
pub const APPSPEC_MAX: u64 = 1 << 20;
/// Bytes of a JSON body: 1 MiB.
pub const JSON_MAX: usize = 1 << 20;
/// Bytes of a request's headers: 16 KiB.
pub const HEADERS_MAX: usize = 16 << 10;
/// Bytes of a manifest's text: 128 MiB.
pub const MANIFEST_MAX: u64 = 128 << 20;
/// Bytes of a configuration's manifest: 1 MiB.
pub const CONFIGURATION_MAX: usize = 1 << 20;
/// Variables, files and secrets of a configuration.
pub const CONFIGURATION_ENTRIES_MAX: usize = 1000;
/// Bytes in all files of a configuration: 16 MiB.
pub const CONFIGURATION_BYTES_MAX: u64 = 16 << 20;
/// Bytes of one variable's value: the kernel takes 128 KiB for one, and all of them share what it takes for all.
pub const CONFIGURATION_VALUE_MAX: usize = 8 << 10;
/// Bytes of one secret: 64 KiB.
pub const SECRET_MAX: usize = 64 << 10;
/// Bytes read to find and read a zip's directory, which is held in memory: 64 MiB, 268 for each of [`ENTRIES_MAX`].
pub const ZIP_DIRECTORY_MAX: u64 = 64 << 20;
/// Entries of a manifest.
pub const ENTRIES_MAX: usize = 250_000;
/// Bytes of a path in a package, and of a link's target: the kernel's 4,096 without the zero at their end.
pub const PATH_MAX: usize = 4095;
/// Bytes of one name in a path.
pub const NAME_MAX: usize = 255;
/// Folders within folders.
pub const DEPTH_MAX: usize = 64;
/// log2 of zstd's window: 128 MiB.
pub const ZSTD_WINDOW_LOG: u32 = 27;
/// Bytes of hook output that are uploaded of a failed run: 64 KiB.
pub const LOG_TAIL: usize = 64 << 10;
/// Bytes of one hook's output kept on the host, head and tail: 1 MiB.
pub const HOOK_LOG_MAX: u64 = 1 << 20;
/// Answers remembered for each principal.
pub const IDEMPOTENCY_KEYS: usize = 1000;
/// How long an answer is remembered, milliseconds: 24 h.
pub const IDEMPOTENCY_MS: u64 = 24 * 3600 * 1000;
/// Bytes of a Unix socket's path (the kernel's limit).
pub const SOCKET_PATH_MAX: usize = 107;
/// A generation further above what is known is not believed (R5, R17).
pub const GENERATION_JUMP: u64 = 1 << 32;
/// Records that one unit may touch (DESIGN §2).
pub const UNIT_RECORDS: usize = 100;
/// Labels of one host: all of them fit one record.
pub const LABELS_MAX: usize = 24;
/// Apps on one host.
pub const APPS_PER_HOST: usize = 32;
/// Refusals that a host reports for one app.
pub const REFUSALS_MAX: usize = 8;
/// Objects asked for in one request.
pub const OBJECTS_PER_REQUEST: usize = 1000;
