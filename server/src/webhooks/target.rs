//! Where webhooks may be sent. An address is checked each time that the sender connects, and it
//! connects to the very address that was checked: a name that leads elsewhere a moment later
//! (DNS rebinding) reaches nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;
use tokio::net::lookup_host;

/// Which networks webhooks may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookTargets {
    /// Public addresses, by HTTPS.
    Public,
    /// Also loopback and private networks, by HTTP as well.
    Inside,
}

/// Where a webhook is sent.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) is_tls: bool,
    pub(super) addresses: Vec<SocketAddr>,
}

impl Target {
    /// The addresses of a host that may be sent to; why there is none.
    pub(super) async fn of(uri: &Uri, targets: WebhookTargets) -> Result<Target, String> {
        let is_tls = uri.scheme_str() == Some("https");
        if !is_tls && targets == WebhookTargets::Public {
            return Err("http is not allowed; use https".to_owned());
        }
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let found = lookup_host((host.as_str(), port)).await;
        let found = found.map_err(|error| format!("the host has no address: {error}"))?;
        let may_be_sent_to = |it: &SocketAddr| match place_of(it.ip()) {
            Place::Public => is_tls,
            Place::Inside => targets == WebhookTargets::Inside,
            Place::Nowhere => false,
        };
        let addresses: Vec<_> = found.filter(may_be_sent_to).collect();
        if addresses.is_empty() {
            let why = match targets {
                WebhookTargets::Public => "the host has no public address",
                WebhookTargets::Inside => {
                    "the host has no address that is allowed; a public one \
                                           needs https"
                }
            };
            return Err(why.to_owned());
        }
        Ok(Target { host, is_tls, addresses })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Public,
    /// Loopback, or a private network.
    Inside,
    /// Nothing that a webhook could be for: link-local addresses, behind which clouds offer their
    /// machines' credentials, groups, what is reserved, and what stands for another address.
    Nowhere,
}

fn place_of(address: IpAddr) -> Place {
    match address.to_canonical() {
        IpAddr::V4(address) => place_of_v4(address),
        IpAddr::V6(address) => place_of_v6(address),
    }
}

fn place_of_v4(address: Ipv4Addr) -> Place {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_reserved = first == 0
        || first >= 240
        || (first, second, third) == (192, 0, 0)
        || (first, second, third) == (192, 88, 99)
        || (first == 198 && matches!(second, 18 | 19));
    if address.is_loopback() || address.is_private() || is_shared {
        Place::Inside
    } else if address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || is_reserved
    {
        Place::Nowhere
    } else {
        Place::Public
    }
}

fn place_of_v6(address: Ipv6Addr) -> Place {
    let [first, second, ..] = address.segments();
    let stands_for_another = first == 0x2002 || (first, second) == (0x2001, 0);
    let is_documentation = (first, second) == (0x2001, 0xdb8) || first == 0x3fff;
    if address.is_loopback() || address.is_unique_local() {
        Place::Inside
    } else if first & 0xe000 != 0x2000 || stands_for_another || is_documentation {
        // Global unicast is 2000::/3 so far.
        Place::Nowhere
    } else {
        Place::Public
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_place() {
        for (place, addresses) in [
            (Place::Public, &["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1"][..]),
            (
                Place::Inside,
                &[
                    "127.0.0.1",
                    "127.9.9.9",
                    "10.0.0.1",
                    "172.16.0.1",
                    "192.168.1.1",
                    "::1",
                    "fd00::1",
                    "100.64.0.1",
                    "::ffff:127.0.0.1",
                    "::ffff:10.0.0.1",
                ],
            ),
            (
                Place::Nowhere,
                &[
                    "0.0.0.0",
                    "169.254.169.254",
                    "224.0.0.1",
                    "255.255.255.255",
                    "192.0.2.1",
                    "198.18.0.1",
                    "240.0.0.1",
                    "::",
                    "fe80::1",
                    "ff02::1",
                    "2001:db8::1",
                    "2002:7f00:1::",
                    "64:ff9b::7f00:1",
                    "2001:0:7f00:1::",
                    "::ffff:169.254.169.254",
                ],
            ),
        ] {
            for address in addresses {
                assert_eq!(place_of(address.parse().expect("one")), place, "{address}");
            }
        }
    }

    #[test]
    fn only_public_addresses_by_https_unless_the_operator_says_so() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("starts");
        let may = |url: &'static str, targets| {
            runtime.block_on(Target::of(&Uri::from_static(url), targets)).is_ok()
        };
        let (public, inside) = (WebhookTargets::Public, WebhookTargets::Inside);
        for (url, by_default, when_allowed) in [
            ("https://8.8.8.8/x", true, true),
            ("http://8.8.8.8/x", false, false),
            ("https://127.0.0.1/x", false, true),
            ("http://127.0.0.1:8080/x", false, true),
            ("http://localhost:8080/x", false, true),
            ("https://[::1]/x", false, true),
            ("https://2130706433/x", false, true),
            ("https://169.254.169.254/latest", false, false),
            ("https://[::ffff:169.254.169.254]/latest", false, false),
        ] {
            assert_eq!((may(url, public), may(url, inside)), (by_default, when_allowed), "{url}");
        }
    }
}
