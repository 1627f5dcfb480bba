//! The means as products read them: from their buffer, or from a texture that is filled from it first, on machines that read textures faster.

use super::context::Context;
use super::kernels::{Bound, Dispatch, Kernels};
use crate::error::{Error, Result};

/// Texels in a row of the texture; twin of `shaders/texels.wgsl` and `shaders/common/means_texture.wgsl`.
const ROW: usize = 4096;

/// Means of one side.
pub enum Means<'a> {
    Buffer(&'a wgpu::Buffer),
    Texture { view: wgpu::TextureView, fill: Bound, quads: usize },
}

impl<'a> Means<'a> {
    /// The `quads` of `buffer`, in the way that the kernels of this device ask for them.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where they do not fit a texture.
    pub fn new(context: &Context, kernels: &Kernels, params: &wgpu::Buffer, buffer: &'a wgpu::Buffer, quads: usize) -> Result<Self> {
        if !kernels.variant.spread {
            return Ok(Self::Buffer(buffer));
        }
        let (rows, most) = (quads.div_ceil(ROW), context.limits.texture);
        if rows > most {
            let bytes = |rows: usize| (16 * ROW * rows) as u64;
            let (need, limit) = (bytes(rows), bytes(most));
            return Err(Error::TooLarge { buffer: "the texture of means", need, adapter: context.limits.adapter.clone(), limit });
        }
        let view = context.texture("means", ROW, rows);
        let resources = [buffer.as_entire_binding(), wgpu::BindingResource::TextureView(&view)];
        let fill = kernels.bind_resources(context, "texels", params, &resources)?;
        Ok(Self::Texture { view, fill, quads })
    }

    /// What a product binds.
    pub fn resource(&self) -> wgpu::BindingResource<'_> {
        match self {
            Self::Buffer(buffer) => buffer.as_entire_binding(),
            Self::Texture { view, .. } => wgpu::BindingResource::TextureView(view),
        }
    }

    /// What must run whenever the means have changed, with the params entry of this side.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more workgroups than two dimensions hold.
    pub fn fill(&self, params_offset: u32) -> Result<Option<Dispatch>> {
        match self {
            Self::Buffer(_) => Ok(None),
            Self::Texture { fill, quads, .. } => fill.dispatch(params_offset, quads.div_ceil(64), *quads as f64).map(Some),
        }
    }
}
