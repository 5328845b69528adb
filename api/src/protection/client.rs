//! Where a request comes from: the peer, or whom a trusted proxy names.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ipnet::{IpNet, Ipv6Net};

/// The id that `request` gave a request.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// That a request came over TLS to this process.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The address.
    pub address: IpAddr,
    /// Whether it came over TLS, here or as a trusted proxy says.
    pub https: bool,
    /// Whether it came over plain HTTP to a name of loopback.
    pub plain_loopback: bool,
    /// What program asks, as it says itself.
    pub agent: String,
    /// The request's id.
    pub request_id: String,
}

impl Asker {
    /// Of a request; `proxies` are believed when they say for whom they ask.
    pub fn of(request: &Request, proxies: &[IpNet]) -> Asker {
        let peer =
            request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let headers = request.headers();
        let trusted = is_of(proxies, peer);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let https = request.extensions().get::<OverTls>().is_some()
            || (trusted && text("x-forwarded-proto").eq_ignore_ascii_case("https"));
        let id = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
        Asker {
            address: if trusted { forwarded(headers, proxies).unwrap_or(peer) } else { peer },
            https,
            plain_loopback: !https && is_loopback(&host_name(text(header::HOST.as_str()))),
            agent: text(header::USER_AGENT.as_str()).chars().take(200).collect(),
            request_id: id.unwrap_or_default(),
        }
    }

    /// By what they are counted: of IPv6 the /64, in which everybody has as many addresses as they like.
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Net::new_assert(address, 64).network()),
            v4 => v4,
        }
    }
}

/// Whether an address is one of these.
fn is_of(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The last address of `X-Forwarded-For` that is no trusted proxy: those before it may be made up.
fn forwarded(headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    let lists: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|list| list.to_str().ok()).collect();
    let all = lists.join(",");
    for text in all.rsplit(',') {
        let address = text.trim().parse::<IpAddr>().ok()?.to_canonical();
        if !is_of(proxies, address) {
            return Some(address);
        }
    }
    None
}

/// The name in a header `Host`, without its port.
pub fn host_name(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a name is one of loopback.
pub fn is_loopback(name: &str) -> bool {
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name.ends_with(".localhost")
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asker, Infallible> {
        let known = parts.extensions.get::<Asker>().cloned();
        Ok(known.unwrap_or_else(|| Asker::of(&Request::from_parts(parts.clone(), axum::body::Body::empty()), &[])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(peer: impl Into<IpAddr>, headers: &[(&'static str, &str)]) -> Asker {
        let mut request = Request::new(axum::body::Body::empty());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.into(), 1)));
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().expect("a header"));
        }
        Asker::of(&request, &["10.0.0.1/32", "10.0.0.2/32", "10.9.0.0/16"].map(|net| net.parse().expect("a network")))
    }

    #[test]
    fn only_a_trusted_proxy_says_for_whom_it_asks() {
        let forged = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https")];
        let stranger = asker([9, 9, 9, 9], &forged);
        assert_eq!((stranger.address.to_string().as_str(), stranger.https), ("9.9.9.9", false));
        let proxied = asker([10, 0, 0, 1], &[("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.2"), forged[1]]);
        assert_eq!((proxied.address.to_string().as_str(), proxied.https), ("2.2.2.2", true));
        assert_eq!(asker([10, 0, 0, 1], &[("x-forwarded-for", "unknown")]).address.to_string(), "10.0.0.1");
        let of_network = asker([10, 9, 8, 7], &[("x-forwarded-for", "2.2.2.2, 10.9.1.1, ::ffff:10.0.0.1")]);
        assert_eq!(of_network.address.to_string(), "2.2.2.2", "each proxy in between is known");
        let mapped = asker(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped(), &forged);
        assert_eq!(mapped.address.to_string(), "1.1.1.1", "as whoever listens on :: sees a proxy");
        assert!(asker([127, 0, 0, 1], &[("host", "localhost:8080")]).plain_loopback);
        assert!(!asker([127, 0, 0, 1], &[("host", "figures.example")]).plain_loopback);
    }

    #[test]
    fn neighbours_of_ipv6_are_counted_together() {
        let network = |peer: &str| asker(peer.parse::<IpAddr>().expect("an address"), &[]).network().to_string();
        assert_eq!(network("2001:db8:1:2:a:b:c:d"), "2001:db8:1:2::");
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
    }
}
