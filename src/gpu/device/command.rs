//! The commands of a list: dispatches, and the textures that are filled before them.

use super::limits::fold;
use super::params::Entry;
use super::shaders::Kernel;
use crate::error::Result;

/// One command of a list.
#[derive(Clone)]
pub(crate) struct Dispatch {
    pub(in crate::gpu) kernel: Kernel,
    pub(in crate::gpu) pipeline: wgpu::ComputePipeline,
    pub(in crate::gpu) bindings: wgpu::BindGroup,
    pub(in crate::gpu) params_offset: u32,
    pub(in crate::gpu) workgroups: [u32; 2],
    /// The approximate number of operations, for pacing and profiles.
    pub(in crate::gpu) operations: f64,
    /// Textures to fill before it runs.
    pub(in crate::gpu) fills: Vec<Fill>,
}

impl Dispatch {
    /// The same dispatch after these textures are filled.
    pub(crate) fn after(mut self, fills: impl IntoIterator<Item = Option<Fill>>) -> Self {
        self.fills.extend(fills.into_iter().flatten());
        self
    }
}

/// A kernel bound to its buffers.
#[derive(Clone)]
pub(crate) struct Bound {
    pub(super) kernel: Kernel,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) bindings: wgpu::BindGroup,
}

impl Bound {
    /// A dispatch of `n` workgroups with the params at this entry, about `operations` operations.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] for more workgroups than two dimensions hold.
    ///
    /// # Panics
    /// If the entry is of another kind than the kernel reads.
    pub(crate) fn dispatch(&self, params: Entry, n: usize, operations: f64) -> Result<Dispatch> {
        assert_eq!(params.kind, self.kernel.params(), "the params of {:?}", self.kernel);
        Ok(Dispatch {
            kernel: self.kernel,
            pipeline: self.pipeline.clone(),
            bindings: self.bindings.clone(),
            params_offset: params.offset,
            workgroups: fold(n as u64)?,
            operations,
            fills: Vec::new(),
        })
    }
}

/// Texels in a row of a texture that kernels read instead of a buffer; twin of `shaders/common/rows_texture.wgsl` and
/// `shaders/common/means_texture.wgsl`.
pub(crate) const TEXELS: usize = 4096;

/// Fills a texture from a buffer, one quad per texel.
#[derive(Clone)]
pub(crate) struct Fill {
    pub(super) buffer: wgpu::Buffer,
    pub(super) texture: wgpu::Texture,
    pub(super) quads: usize,
}

impl Fill {
    /// Copies whole rows of the texture, then the rest.
    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let (rows, rest) = (self.quads / TEXELS, self.quads % TEXELS);
        for (first, columns, rows) in [(0, TEXELS, rows), (rows, rest, 1)] {
            if columns * rows == 0 {
                continue;
            }
            let layout = wgpu::TexelCopyBufferLayout {
                offset: (16 * TEXELS * first) as u64,
                bytes_per_row: Some(16 * TEXELS as u32),
                rows_per_image: None,
            };
            let origin = wgpu::Origin3d { x: 0, y: first as u32, z: 0 };
            encoder.copy_buffer_to_texture(
                wgpu::TexelCopyBufferInfo { buffer: &self.buffer, layout },
                wgpu::TexelCopyTextureInfo { origin, ..self.texture.as_image_copy() },
                wgpu::Extent3d { width: columns as u32, height: rows as u32, depth_or_array_layers: 1 },
            );
        }
    }
}
