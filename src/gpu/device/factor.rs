//! A factor of a matrix product as the kernel reads it: a buffer, or a texture filled from it on machines that read textures faster.

use super::command::{Fill, TEXELS};
use super::context::Context;
use crate::error::{Error, Result};

/// A factor: draws, vectors or means.
pub(crate) struct Factor {
    buffer: wgpu::Buffer,
    texture: Option<(wgpu::Texture, wgpu::TextureView)>,
    quads: usize,
}

impl Factor {
    /// The first `quads` of `buffer`, in a texture if `texture` is set.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if they do not fit a texture.
    pub(crate) fn new(context: &Context, buffer: &wgpu::Buffer, quads: usize, texture: bool) -> Result<Self> {
        let buffer = buffer.clone();
        if !texture {
            return Ok(Self { buffer, texture: None, quads });
        }
        let (rows, most) = (quads.div_ceil(TEXELS), context.limits.texture);
        if rows > most {
            let bytes = |rows: usize| (16 * TEXELS * rows) as u64;
            let (need, limit) = (bytes(rows), bytes(most));
            return Err(Error::TooLarge { buffer: "the texture of a factor", need, adapter: context.limits.adapter.clone(), limit });
        }
        Ok(Self { buffer, texture: Some(context.texture("factor", TEXELS, rows)), quads })
    }

    /// The resource that a product binds.
    pub(crate) fn resource(&self) -> wgpu::BindingResource<'_> {
        match &self.texture {
            None => self.buffer.as_entire_binding(),
            Some((_, view)) => wgpu::BindingResource::TextureView(view),
        }
    }

    /// The fill that must precede a product whenever the buffer has changed.
    pub(crate) fn fill(&self) -> Option<Fill> {
        let texture = self.texture.as_ref()?.0.clone();
        Some(Fill { buffer: self.buffer.clone(), texture, quads: self.quads })
    }
}
