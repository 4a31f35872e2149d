//! Socket options (socket(7), tcp(7), ip(7)).

/// All options a socket may have; each kind of socket heeds those that mean something to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub reuse_address: bool,
    pub reuse_port: bool,
    pub broadcast: bool,
    pub keep_alive: bool,
    /// Idle seconds before the first keep-alive probe.
    pub keep_idle_s: u32,
    /// Seconds between probes.
    pub keep_interval_s: u32,
    /// Unanswered probes before the connection is dropped.
    pub keep_count: u32,
    pub no_delay: bool,
    /// More is about to come: small segments wait for each other even if `no_delay` is set.
    pub cork: bool,
    /// Seconds that close waits for unsent data; 0 resets the connection instead.
    pub linger_s: Option<u32>,
    pub receive_buffer: usize,
    pub send_buffer: usize,
    pub receive_timeout_ns: Option<u64>,
    pub send_timeout_ns: Option<u64>,
    pub time_to_live: u8,
    /// UDP: a socket that is not connected hears of ICMP errors too, as a connected one does.
    pub receive_errors: bool,
    /// Received UNIX messages carry their sender's credentials.
    pub pass_credentials: bool,
    /// Raw sockets: the caller supplies the IP header.
    pub header_included: bool,
}

/// The range that buffer sizes are held to.
pub const BUFFER_LIMITS: core::ops::RangeInclusive<usize> = 2048..=256 * 1024;

impl Default for Options {
    fn default() -> Self {
        Self {
            reuse_address: false,
            reuse_port: false,
            broadcast: false,
            keep_alive: false,
            keep_idle_s: 7200,
            keep_interval_s: 75,
            keep_count: 9,
            no_delay: false,
            cork: false,
            linger_s: None,
            receive_buffer: 64 * 1024,
            send_buffer: 64 * 1024,
            receive_timeout_ns: None,
            send_timeout_ns: None,
            time_to_live: 64,
            receive_errors: false,
            pass_credentials: false,
            header_included: false,
        }
    }
}

impl Options {
    /// Holds every value to its allowed range.
    pub fn clamped(mut self) -> Self {
        let clamp = |size: usize| size.clamp(*BUFFER_LIMITS.start(), *BUFFER_LIMITS.end());
        self.receive_buffer = clamp(self.receive_buffer);
        self.send_buffer = clamp(self.send_buffer);
        self.time_to_live = self.time_to_live.max(1);
        self
    }
}
