//! (owned by the blocking layer)
