//! Device time of submissions, by timestamps around their passes, where the adapter has them.

use super::context::Context;
use crate::error::Result;

/// Two timestamps and where they are read from.
pub struct Clock {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Seconds per tick.
    period: f64,
}

impl Clock {
    /// `None` where the adapter has no timestamps.
    ///
    /// # Errors
    /// The device's.
    pub fn new(context: &Context, period: f64) -> Result<Option<Self>> {
        if !context.adapter.timestamps {
            return Ok(None);
        }
        let device = context.device();
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor { label: Some("clock"), ty: wgpu::QueryType::Timestamp, count: 2 });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let descriptor = wgpu::BufferDescriptor { label: Some("clock"), size: 16, usage, mapped_at_creation: false };
        Ok(Some(Self { queries, resolved: device.create_buffer(&descriptor), period }))
    }

    /// For the descriptor of a pass of a submission.
    pub fn writes(&self, first: bool, last: bool) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: first.then_some(0),
            end_of_pass_write_index: last.then_some(1),
        }
    }

    /// At the end of that submission.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
    }

    /// Seconds between the two timestamps, once the submission is done.
    ///
    /// # Errors
    /// The device's.
    pub fn seconds(&self, context: &Context) -> Result<f64> {
        let ticks: Vec<u64> = context.download(&self.resolved, 2)?;
        Ok(ticks[1].saturating_sub(ticks[0]) as f64 * self.period)
    }
}
