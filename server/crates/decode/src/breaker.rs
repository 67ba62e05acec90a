//! Feeds of breakers and limiters, each as its library writes it; all become [`Readings`](crate::reading::Readings).

pub mod attributes;
pub mod envoy;
pub mod hystrix;
pub mod opossum;
pub mod resilience4j;
