//! What wasmtime makes of the contract. Nothing outside of this crate sees these types: see [`crate::convert`].

wasmtime::component::bindgen!({
    path: "../../../plugins/wit/0.1",
    world: "shed-policy",
});
