//! Which addresses the server may connect to on somebody's word.
//!
//! A server that fetches what it is told reaches what the teller cannot: metadata of its cloud, services of its own machine. So each address
//! is judged after the name was resolved, and the connection goes to the judged address, not to the name again (OWASP, "Server-Side
//! Request Forgery Prevention").

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever holds the configuration of this server: private addresses are what they mean.
    Operator,
    /// Anybody else: public addresses only.
    Stranger,
}

/// Metadata of clouds that does not stand at a link-local address: Alibaba, Azure's wire server, Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// Amazon's.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Why this address must not be connected to; `None` when it may be.
pub fn refused(address: IpAddr, trust: Trust) -> Option<&'static str> {
    const PRIVATE: &str =
        "it is a private address: only targets of the configuration may have one, unless `pull.allow_private` is set";
    let address = embedded_v4(address).map_or(address, IpAddr::V4);
    if is_never(address) {
        return Some("it is a link-local, metadata or other special address, which is never asked");
    }
    (trust == Trust::Stranger && is_private(address)).then_some(PRIVATE)
}

/// The IPv4 address that an IPv6 address leads to: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let parts = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match parts {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if parts[5] == 0xffff || high != 0 => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

fn is_never(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.octets()[0] == 0
                || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified() || v6 == METADATA_V6,
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_documentation()
                // Carriers' (RFC 6598), protocol assignments, benchmarks, reserved.
                || a == 100 && (64..128).contains(&b)
                || a == 192 && b == 0
                || a == 198 && (18..20).contains(&b)
                || a >= 240
        }
        // Only 2000::/3 is given out; of it documentation is not.
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 != 0x2000 || v6.segments()[..2] == [0x2001, 0xdb8],
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn judge(address: &str) -> (bool, bool) {
        let address = address.parse().unwrap();
        (refused(address, Trust::Operator).is_none(), refused(address, Trust::Stranger).is_none())
    }

    #[test]
    fn special_addresses_are_never_asked_in_any_of_their_forms() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            assert_eq!(judge(address), (false, false), "{address}");
        }
    }

    #[test]
    fn private_addresses_are_the_operators_alone() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "240.0.0.1",
            "::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2001:db8::1",
        ] {
            assert_eq!(judge(address), (true, false), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_everybodys() {
        for address in ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert_eq!(judge(address), (true, true), "{address}");
        }
    }
}
