//! Which certificates are accepted, and what is said of the others.

use uhlm_core::verifier::VerifierError;
use uhlm_core::verifier::http::{ConfigError, HttpConfig, HttpVerifier};
use uhlm_law::digest::Digest;
use uhlm_net::TrustPolicy;
use uhlm_testing::certificates::{Authority, Identity, expired, loopback, named};

use crate::support::script::Answer;
use crate::support::server::FaultServer;
use crate::support::{BINARY, LONG, get_info, info};

fn serve(identity: &Identity) -> FaultServer {
    FaultServer::with_identity(identity, |_, _| Answer::ok(BINARY, &info()).into())
}

fn connect(server: &FaultServer, trust: TrustPolicy) -> Result<(), VerifierError> {
    let client = HttpVerifier::new(HttpConfig { trust, ..server.config() }).expect("a client");
    get_info(&client, LONG).map(drop)
}

fn distrust(server: &FaultServer, trust: TrustPolicy) -> String {
    let Err(VerifierError::Untrusted { reason }) = connect(server, trust) else {
        panic!("the certificate was accepted or something else went wrong")
    };
    assert!(server.seen().is_empty(), "a request was sent all the same");
    reason
}

#[test]
fn a_certificate_of_the_given_authority_is_accepted() {
    let authority = Authority::generate();
    assert_eq!(connect(&serve(&authority.issue()), authority.trust()), Ok(()));
}

#[test]
fn an_expired_certificate_is_refused_as_expired() {
    let authority = Authority::generate();
    let server = serve(&authority.issue_for(expired(loopback())));
    assert_eq!(distrust(&server, authority.trust()), "expired");
}

#[test]
fn a_certificate_for_another_host_is_refused_as_such() {
    let authority = Authority::generate();
    let server = serve(&authority.issue_for(named(&["elsewhere.example"])));
    assert_eq!(distrust(&server, authority.trust()), "issued for another host");
}

#[test]
fn an_unknown_authority_is_refused_by_given_and_by_bundled_roots() {
    let server = serve(&Authority::generate().issue());
    assert_eq!(distrust(&server, Authority::generate().trust()), "unknown issuer");
    assert_eq!(distrust(&server, TrustPolicy::BundledRoots), "unknown issuer");
}

#[test]
fn a_pinned_key_is_accepted_as_the_first_pin_or_as_the_backup() {
    let authority = Authority::generate();
    let identity = authority.issue();
    let server = serve(&identity);
    let other = Digest([7; 32]);
    for pins in [vec![identity.pin()], vec![identity.pin(), other], vec![other, identity.pin()]] {
        assert_eq!(connect(&server, TrustPolicy::Pins { pins, roots: Some(authority.pem().into_bytes()) }), Ok(()));
    }
}

#[test]
fn a_valid_certificate_whose_key_is_not_pinned_is_a_pin_mismatch() {
    let authority = Authority::generate();
    let server = serve(&authority.issue());
    let pins = vec![authority.issue().pin()];
    let reason = distrust(&server, TrustPolicy::Pins { pins, roots: Some(authority.pem().into_bytes()) });
    assert!(reason.starts_with("pin mismatch"), "{reason}");
}

#[test]
fn a_pin_does_not_replace_the_usual_checks() {
    let authority = Authority::generate();
    let pinned = |identity: &Identity, roots| TrustPolicy::Pins { pins: vec![identity.pin()], roots };
    let expired = authority.issue_for(expired(loopback()));
    assert_eq!(distrust(&serve(&expired), pinned(&expired, Some(authority.pem().into_bytes()))), "expired");
    let unknown = authority.issue();
    assert_eq!(distrust(&serve(&unknown), pinned(&unknown, None)), "unknown issuer");
}

#[test]
fn a_self_signed_certificate_is_accepted_by_its_fingerprint_and_no_other() {
    let identity = Identity::self_signed(named(&["development"]));
    let server = serve(&identity);
    let other = Identity::self_signed(named(&["development"]));
    let reason = distrust(&server, TrustPolicy::Fingerprint(other.fingerprint()));
    assert!(reason.starts_with("fingerprint mismatch"), "{reason}");
    assert_eq!(connect(&server, TrustPolicy::Fingerprint(identity.fingerprint())), Ok(()));
}

#[test]
fn a_known_certificate_without_its_key_is_refused() {
    let authority = Authority::generate();
    let identity = authority.issue();
    let server = serve(&identity.stolen());
    let pins = TrustPolicy::Pins { pins: vec![identity.pin()], roots: Some(authority.pem().into_bytes()) };
    for trust in [authority.trust(), pins, TrustPolicy::Fingerprint(identity.fingerprint())] {
        assert_eq!(distrust(&server, trust), "a wrong signature");
    }
}

#[test]
fn a_trust_policy_without_anything_to_trust_is_refused_at_once() {
    for trust in [
        TrustPolicy::Pem(b"no certificate here".to_vec()),
        TrustPolicy::Pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()),
        TrustPolicy::Pins { pins: vec![], roots: None },
    ] {
        let refused = HttpVerifier::new(HttpConfig::new("https://host").with_trust(trust));
        assert!(matches!(refused, Err(ConfigError::Trust { .. })));
    }
}

#[test]
fn a_server_that_lacks_tls_1_3_is_spoken_to_only_where_that_is_asked_for() {
    let authority = Authority::generate();
    let server = FaultServer::with_old_tls(&authority.issue(), |_, _| Answer::ok(BINARY, &info()).into());
    let config = HttpConfig { trust: authority.trust(), ..server.config() };
    let refused = get_info(&HttpVerifier::new(config.clone()).expect("a client"), LONG).map(drop);
    assert!(matches!(refused, Err(VerifierError::Unreachable { .. })), "{refused:?}");
    assert!(server.seen().is_empty(), "a request was sent all the same");
    let asked_for = HttpVerifier::new(HttpConfig { tls12: true, ..config }).expect("a client");
    assert_eq!(get_info(&asked_for, LONG).map(drop), Ok(()));
}
