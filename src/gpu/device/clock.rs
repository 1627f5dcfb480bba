//! Device time of submissions, from timestamps around their passes.

/// Two timestamps and their read-back buffer.
pub(super) struct Clock {
    queries: wgpu::QuerySet,
    /// Both timestamps of the last submission, in ticks.
    pub resolved: wgpu::Buffer,
    /// Seconds per tick.
    period: f64,
}

impl Clock {
    /// For a device that supports timestamps.
    pub(super) fn new(device: &wgpu::Device, period: f64) -> Self {
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor { label: Some("clock"), ty: wgpu::QueryType::Timestamp, count: 2 });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let descriptor = wgpu::BufferDescriptor { label: Some("clock"), size: 16, usage, mapped_at_creation: false };
        Self { queries, resolved: device.create_buffer(&descriptor), period }
    }

    /// The timestamp writes of a pass, which may be the first or the last of a submission.
    pub(super) fn writes(&self, first: bool, last: bool) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: first.then_some(0),
            end_of_pass_write_index: last.then_some(1),
        }
    }

    /// Copies the timestamps out at the end of the submission.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
    }

    /// Seconds between two timestamps.
    pub(super) fn seconds(&self, ticks: [u64; 2]) -> f64 {
        ticks[1].saturating_sub(ticks[0]) as f64 * self.period
    }
}
