//! The trait a rule implements and the macro that makes it a component.

use crate::{Directive, Manifest, Snapshot};

/// A load-shedding rule.
pub trait ShedPolicy: Sized {
    /// Name, version, what the rule does, and the JSON Schema of its configuration.
    fn describe() -> Manifest;

    /// Makes the rule from its configuration: JSON that follows the schema, `{}` when nobody set anything.
    ///
    /// # Errors
    /// What is wrong with the configuration, in words for the person who wrote it.
    fn configure(config: &str) -> Result<Self, String>;

    /// Proposes what should be shed now; nothing, when all is well.
    ///
    /// # Errors
    /// Why the rule cannot judge this snapshot. Nothing changes then, and what it stored in this call is forgotten.
    fn evaluate(&mut self, snapshot: &Snapshot) -> Result<Vec<Directive>, String>;
}

/// Makes a [`ShedPolicy`] the rule of this crate. Natively it does nothing, so a rule can be tested as plain code.
#[macro_export]
macro_rules! export_policy {
    ($rule:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;

            ::std::thread_local! {
                // `configure` and `evaluate` are two calls into one instance.
                static RULE: ::std::cell::RefCell<::std::option::Option<$rule>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            impl $crate::bindings::exports::spillway::rule::policy::Guest for Component {
                fn describe() -> $crate::Manifest {
                    $crate::announce_panics();
                    <$rule as $crate::ShedPolicy>::describe()
                }

                fn configure(config: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                    $crate::announce_panics();
                    let rule = <$rule as $crate::ShedPolicy>::configure(&config)?;
                    RULE.with_borrow_mut(|slot| *slot = ::std::option::Option::Some(rule));
                    ::std::result::Result::Ok(())
                }

                fn evaluate(
                    input: $crate::Snapshot,
                ) -> ::std::result::Result<::std::vec::Vec<$crate::Directive>, ::std::string::String> {
                    RULE.with_borrow_mut(|slot| match slot {
                        ::std::option::Option::Some(rule) => $crate::ShedPolicy::evaluate(rule, &input),
                        ::std::option::Option::None => {
                            ::std::result::Result::Err("evaluate was called before configure".into())
                        }
                    })
                }
            }

    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}

/// A panic ends as a bare trap in the sandbox. This writes its message to the plugin's log first, which is where its
/// author looks. [`export_policy!`](crate::export_policy) calls it.
#[doc(hidden)]
pub fn announce_panics() {
    std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));
}
