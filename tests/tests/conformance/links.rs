//! Links that pair an app with a verifier.

use uhlm_ffi::{ErrorKind, TrustPolicy, VerifierLink};

#[test]
fn a_link_pairs_an_app_with_a_verifier() {
    let sha256 = "ab".repeat(32);
    let text = format!("uhlm://verifier?url=https%3A%2F%2F192.0.2.5%3A8443&sha256={sha256}&token=a%2Bsecret");
    let link = VerifierLink::new(&text).expect("a link");
    assert_eq!(link.endpoint(), "https://192.0.2.5:8443");
    assert_eq!(link.trust(), TrustPolicy::Fingerprint { sha256: sha256.clone() });
    assert_eq!((link.fingerprint(), link.token()), (Some(sha256), Some("a+secret".into())));
    let public = VerifierLink::new("uhlm://verifier?url=https%3A%2F%2Fexample.org").expect("a link");
    assert_eq!((public.trust(), public.fingerprint(), public.token()), (TrustPolicy::BundledRoots, None, None));
    for wrong in ["", "https://example.org", "uhlm://verifier?url=http%3A%2F%2Fexample.org", "uhlm://verifier"] {
        assert_eq!(
            VerifierLink::new(wrong).err().map(|error| error.kind()),
            Some(ErrorKind::InvalidOptions),
            "{wrong}"
        );
    }
}
