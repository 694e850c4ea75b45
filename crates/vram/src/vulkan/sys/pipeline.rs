//! The shaders, compiled by the driver, and how they are told what to do.

use super::{Device, Fault, Named};
use ash::vk;
use std::sync::Arc;

/// Bytes of what a shader is told, as blake3.glsl declares it.
pub(in crate::vulkan) const TOLD_BYTES: usize = 60;

/// What a shader is told.
pub(in crate::vulkan) type Told = [u8; TOLD_BYTES];

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vulkan) enum Shader {
    /// Values of tiles.
    Tiles,
    /// One level of the tree above them.
    Parents,
}

/// The shaders. Set 0 is the data, set 1 the values.
pub(in crate::vulkan) struct Pipelines {
    device: Arc<Device>,
    pub(super) set_layout: vk::DescriptorSetLayout,
    pub(super) layout: vk::PipelineLayout,
    tiles: vk::Pipeline,
    parents: vk::Pipeline,
}

impl Pipelines {
    /// Has the driver compile the shaders' words.
    pub(in crate::vulkan) fn compile(
        device: Arc<Device>,
        tiles: &[u32],
        parents: &[u32],
    ) -> Result<Self, Fault> {
        let mut made = Self {
            device,
            set_layout: vk::DescriptorSetLayout::null(),
            layout: vk::PipelineLayout::null(),
            tiles: vk::Pipeline::null(),
            parents: vk::Pipeline::null(),
        };
        made.set_layout = made.new_set_layout()?;
        made.layout = made.new_layout()?;
        made.tiles = made.new_pipeline(tiles)?;
        made.parents = made.new_pipeline(parents)?;
        Ok(made)
    }

    pub(super) fn of(&self, shader: Shader) -> vk::Pipeline {
        match shader {
            Shader::Tiles => self.tiles,
            Shader::Parents => self.parents,
        }
    }

    fn new_set_layout(&self) -> Result<vk::DescriptorSetLayout, Fault> {
        let bindings = [vk::DescriptorSetLayoutBinding::default()
            .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
            .descriptor_count(1)
            .stage_flags(vk::ShaderStageFlags::COMPUTE)];
        let wanted = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        // SAFETY: the device is alive.
        let made = unsafe { self.device.raw.create_descriptor_set_layout(&wanted, None) };
        made.named("vkCreateDescriptorSetLayout")
    }

    fn new_layout(&self) -> Result<vk::PipelineLayout, Fault> {
        let sets = [self.set_layout; 2];
        let told = [vk::PushConstantRange::default()
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
            .size(u32::try_from(TOLD_BYTES).unwrap_or(u32::MAX))];
        let wanted = vk::PipelineLayoutCreateInfo::default()
            .set_layouts(&sets)
            .push_constant_ranges(&told);
        // SAFETY: the sets' layout is alive; every device takes 128 bytes of push constants.
        let made = unsafe { self.device.raw.create_pipeline_layout(&wanted, None) };
        made.named("vkCreatePipelineLayout")
    }

    fn new_pipeline(&self, words: &[u32]) -> Result<vk::Pipeline, Fault> {
        let wanted = vk::ShaderModuleCreateInfo::default().code(words);
        // SAFETY: the words are a valid module: the check compares them with a fresh build.
        let module = unsafe { self.device.raw.create_shader_module(&wanted, None) };
        let module = module.named("vkCreateShaderModule")?;
        let compiled = self.compile_module(module);
        // SAFETY: a module may go as soon as its pipeline is made.
        unsafe { self.device.raw.destroy_shader_module(module, None) };
        compiled
    }

    fn compile_module(&self, module: vk::ShaderModule) -> Result<vk::Pipeline, Fault> {
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(c"main");
        let wanted = [vk::ComputePipelineCreateInfo::default()
            .stage(stage)
            .layout(self.layout)];
        // No cache: whoever could write to one could change the verifier.
        let cache = vk::PipelineCache::null();
        // SAFETY: the module has an entry of this name, and the layout holds all that it uses.
        let made = unsafe {
            self.device
                .raw
                .create_compute_pipelines(cache, &wanted, None)
        };
        let made = made.map_err(|(_, result)| result);
        let made = made.named("vkCreateComputePipelines")?;
        made.first().copied().ok_or(Fault {
            call: "vkCreateComputePipelines",
            result: vk::Result::ERROR_UNKNOWN,
        })
    }
}

impl Drop for Pipelines {
    fn drop(&mut self) {
        let device = &self.device.raw;
        for pipeline in [self.tiles, self.parents] {
            // SAFETY: no command that uses it is on its way; null is passed over.
            unsafe { device.destroy_pipeline(pipeline, None) };
        }
        // SAFETY: no command that uses it is on its way; null is passed over.
        unsafe { device.destroy_pipeline_layout(self.layout, None) };
        // SAFETY: as above.
        unsafe { device.destroy_descriptor_set_layout(self.set_layout, None) };
    }
}
