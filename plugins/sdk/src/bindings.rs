//! What wit-bindgen makes of the contract. Public only because [`export_policy!`](crate::export_policy) reaches into it.
#![doc(hidden)]

wit_bindgen::generate!({
    path: "../wit/0.1",
    world: "shed-policy",
    pub_export_macro: true,
    default_bindings_module: "spillway_plugin_sdk::bindings",
    additional_derives: [PartialEq],
});
