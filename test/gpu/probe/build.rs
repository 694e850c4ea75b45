//! Tells the linker how Node loads the addon.
fn main() {
    napi_build::setup();
}
