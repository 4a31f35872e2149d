//! The port to network hardware.

/// An Ethernet card, as its driver presents it. Calls never block.
pub trait NetDevice: Send {
    fn mac(&self) -> [u8; 6];

    /// The largest IP packet a frame can carry.
    fn mtu(&self) -> usize;

    /// Moves the next received frame into `frame` and returns its length; `None` when there is
    /// none. A frame that does not fit is cut off.
    fn receive(&mut self, frame: &mut [u8]) -> Option<usize>;

    /// Whether [`transmit`](Self::transmit) would take a frame now. When it would not, the device
    /// interrupts once it would.
    fn can_transmit(&mut self) -> bool;

    /// Queues `frame` for sending; drops it when the queue is full.
    fn transmit(&mut self, frame: &[u8]);
}
