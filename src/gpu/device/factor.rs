//! A factor of a product as the kernel reads it: its buffer, or a texture that is filled from it, on machines that read textures faster.

use super::context::Context;
use super::kernels::Kernels;
use crate::error::{Error, Result};

/// Texels in a row of the texture; twin of `shaders/common/rows_texture.wgsl` and `shaders/common/means_texture.wgsl`.
const ROW: usize = 4096;

/// Rows or means.
pub struct Factor {
    buffer: wgpu::Buffer,
    texture: Option<(wgpu::Texture, wgpu::TextureView)>,
    quads: usize,
}

/// A texture is filled from a buffer, one texel a quad.
#[derive(Clone)]
pub struct Fill {
    buffer: wgpu::Buffer,
    texture: wgpu::Texture,
    quads: usize,
}

impl Factor {
    /// The first `quads` of `buffer`, in the way that the kernels of this device ask for them. Numbers in `half` precision stay in a buffer.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where they do not fit a texture.
    pub fn new(context: &Context, kernels: &Kernels, buffer: &wgpu::Buffer, quads: usize, half: bool) -> Result<Self> {
        let buffer = buffer.clone();
        if half || !kernels.variant.spread {
            return Ok(Self { buffer, texture: None, quads });
        }
        let (rows, most) = (quads.div_ceil(ROW), context.limits.texture);
        if rows > most {
            let bytes = |rows: usize| (16 * ROW * rows) as u64;
            let (need, limit) = (bytes(rows), bytes(most));
            return Err(Error::TooLarge { buffer: "the texture of a factor", need, adapter: context.limits.adapter.clone(), limit });
        }
        Ok(Self { buffer, texture: Some(context.texture("factor", ROW, rows)), quads })
    }

    /// What a product binds.
    pub fn resource(&self) -> wgpu::BindingResource<'_> {
        match &self.texture {
            None => self.buffer.as_entire_binding(),
            Some((_, view)) => wgpu::BindingResource::TextureView(view),
        }
    }

    /// What must happen before a product whenever the buffer has changed.
    pub fn fill(&self) -> Option<Fill> {
        let texture = self.texture.as_ref()?.0.clone();
        Some(Fill { buffer: self.buffer.clone(), texture, quads: self.quads })
    }
}

impl Fill {
    /// Whole rows of the texture, then what is left.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let (rows, rest) = (self.quads / ROW, self.quads % ROW);
        for (first, columns, rows) in [(0, ROW, rows), (rows, rest, 1)] {
            if columns * rows == 0 {
                continue;
            }
            let layout = wgpu::TexelCopyBufferLayout {
                offset: (16 * ROW * first) as u64,
                bytes_per_row: Some(16 * ROW as u32),
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
